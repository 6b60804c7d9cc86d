-- records what came of a recommendation
update analytics.retraining_recommendations
   set status = 'done', decided_at = clock_timestamp(), verdict = :verdict, retrained_run_id = :run_id,
       retrained_version_id = (select version_id from analytics.model_versions
                                where name = :name and version = :version and deleted_at is null)
 where recommendation_id = :recommendation_id and status <> 'done' and replaced_by is null
