-- whether challengers of a version were fitted for a proof in the :days days before :as_of
select exists (select from analytics.retraining_recommendations
                where version_id = :version_id and as_of < :as_of and as_of > cast(:as_of as timestamptz) - make_interval(days => :days)
                  and evidence ? 'challenged')
