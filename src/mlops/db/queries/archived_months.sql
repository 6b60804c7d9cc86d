-- the archived months of observations and corrections that a question about some times needs, the oldest first
-- (with :as_of also those in which something may have been recorded after it: scores of what came before may rest on that)
select parent::text as parent, partition, lower_bound, upper_bound, path, sha256
  from analytics.archived_months
 where parent in ('analytics.time_series_metrics'::regclass, 'analytics.time_series_revisions'::regclass)
   and (cast(:start as timestamptz) is null or upper_bound > :start
        or parent = 'analytics.time_series_metrics'::regclass and archived_at > cast(:as_of as timestamptz))
   and (cast(:end as timestamptz) is null or lower_bound <= :end)
 order by lower_bound, parent::text
