-- versions as the registry has them; the files of one that has others than before are to be read again
merge into analytics.model_versions r
using (select * from pg_temp.version_changes where change <> 'gone') c on r.version_id = c.version_id
 when matched then
      update set name = c.name, description = c.description, stage = c.stage, status = c.status, source = c.source,
                 logged_model_id = c.logged_model_id, kind = c.kind, tags = c.tags, run_id = c.run_id, run_state = c.run_state,
                 run_name = c.run_name, run_user = c.run_user, experiment = c.experiment, run_began_at = c.run_began_at, run_ended_at = c.run_ended_at, params = c.params, metrics = c.metrics,
                 run_tags = c.run_tags, datasets = c.datasets, altered = c.altered, seen_at = :at, deleted_at = null,
                 lineage_read_at = case when not c.other_files then r.lineage_read_at end
 when not matched then
      insert (model_id, name, version, created_at, description, stage, status, source, logged_model_id, kind, tags, run_id, run_state,
              run_name, run_user, experiment, run_began_at, run_ended_at, params, metrics, run_tags, datasets, altered, seen_at, lineage_state, lineage_problem)
      values (c.model_id, c.name, c.version, c.created_at, c.description, c.stage, c.status, c.source, c.logged_model_id, c.kind, c.tags,
              c.run_id, c.run_state, c.run_name, c.run_user, c.experiment, c.run_began_at, c.run_ended_at, c.params,
              c.metrics, c.run_tags, c.datasets, c.altered, :at,
              'incomplete', 'its files have not been read yet')
