-- other features that are computed from the same metric types as a feature, in their newest versions
select distinct on (o.name) o.name, o.version, o.transformation,
       array(select unnest(o.source_metric_types) intersect select unnest(f.source_metric_types) order by 1) as shared
  from (select source_metric_types from analytics.model_feature_store
         where name = :name and (cast(:version as int) is null or version = :version) order by version desc limit 1) f
  join analytics.model_feature_store o on o.source_metric_types && f.source_metric_types
 where o.name <> :name
 order by o.name, o.version desc
