-- records that a version was compared with its anchor, and what was other
update analytics.model_versions
   set verified_at = clock_timestamp(), verified_problem = :problem
 where version_id = :version_id
