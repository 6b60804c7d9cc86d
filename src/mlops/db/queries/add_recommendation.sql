-- records the recommendation of one week and closes older open ones of the version; it is closed itself when there is a newer one
with closed as (
    update analytics.retraining_recommendations set status = 'superseded'
     where version_id = :version_id and as_of < :as_of and status = 'open'
)
insert into analytics.retraining_recommendations
       (recommendation_id, version_id, as_of, action, reasons, evidence, rule_version, status, cause, severity, challenger, rollback_version_id,
        onset_at, expected_benefit, cost, horizon_weeks, expires_at, held_by)
overriding system value
select coalesce(cast(:recommendation_id as bigint), nextval(pg_get_serial_sequence('analytics.retraining_recommendations', 'recommendation_id'))),
       :version_id, :as_of, :action, :reasons, :evidence, :rule_version,
       case when exists (select from analytics.retraining_recommendations n where n.version_id = :version_id and n.as_of > :as_of)
            then 'superseded' else 'open' end,
       :cause, :severity, :challenger,
       (select p.version_id from analytics.model_versions v join analytics.model_versions p using (model_id)
         where v.version_id = :version_id and p.version = cast(:predecessor as int) and p.deleted_at is null),
       :onset_at, cast(:expected_benefit as jsonb), :cost, :horizon_weeks, :expires_at, :held_by
returning recommendation_id
