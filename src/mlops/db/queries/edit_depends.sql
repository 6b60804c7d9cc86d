-- the versions of models that were trained on some of these series between two times, and the feature builds that hold them
select 'model' as what, v.name, v.version::text as version, v.deleted_at is not null as gone
  from analytics.model_versions v
 where v.trained_from < :until and v.trained_to >= :first
   and exists (select from unnest(cast(:series_ids as bigint[])) s (series_id) where v.lineage -> 'series' @> to_jsonb(s.series_id))
union all
select distinct 'build', b.feature_set, b.build_id::text, false
  from analytics.feature_builds b
  join analytics.series s on s.metric_type = b.selection ->> 'metric_type' and s.granularity = b.selection ->> 'granularity'
 where s.series_id = any(cast(:series_ids as bigint[]))
 order by 1 desc, 2, 3
