-- records the recommendation of one week and closes older open ones of the version
with closed as (
    update analytics.retraining_recommendations set status = 'superseded'
     where version_id = :version_id and as_of < :as_of and status = 'open'
)
insert into analytics.retraining_recommendations (version_id, as_of, action, reasons, evidence, rule_version)
values (:version_id, :as_of, :action, :reasons, :evidence, :rule_version)
    on conflict (version_id, as_of) do nothing
