-- what the versions of a model were trained on, the newest first
select lineage -> 'selection' ->> 'metric_type' as metric_type, lineage -> 'selection' ->> 'granularity' as granularity
  from analytics.model_versions
 where name = :name and lineage -> 'selection' is not null
 order by seen_at desc, version desc limit 1
