-- What depends on a feature.

-- name: impact_versions
-- the live model versions that use a feature (one version of it, or any), champions first, with how much it matters to them
select v.version_id, v.name, v.version, f.version as feature_version,
       array(select a.alias from analytics.model_aliases a
              where a.version_id = v.version_id and a.valid_to is null order by a.alias) as aliases,
       e.importance / nullif(o.total, 0) as share,
       case when e.importance is not null then 1 + o.more end as rank, o.features
  from analytics.model_feature_store f
  join analytics.model_version_features e using (feature_id)
  join analytics.model_versions v using (version_id)
 cross join lateral (select sum(m.importance) as total, count(*) as features,
                            count(*) filter (where m.importance > e.importance) as more
                       from analytics.model_version_features m where m.version_id = v.version_id) o
 where f.name = :name and (cast(:version as int) is null or f.version = :version) and v.deleted_at is null
 order by exists (select from analytics.model_aliases a
                   where a.version_id = v.version_id and a.valid_to is null and a.alias = 'champion') desc,
          v.name, v.version desc

-- name: impact_forecasts
-- what versions forecast since a time, each and (version_id null) together; a target is at most 28 days before its issue,
-- or the recent days of longer steps
select p.version_id, count(*) as forecasts, count(distinct p.series_id) as series, max(p.issued_at) as last_issued_at
  from analytics.model_prediction_results p
 where p.version_id = any(:version_ids) and p.parts is null and p.issued_at > :since and p.issued_at <= :as_of
   and p.target_at > cast(:since as timestamptz) - make_interval(days => (
          select coalesce(max(g.recent_days), 28) from analytics.model_versions v
            join analytics.granularities g on g.name = v.lineage -> 'selection' ->> 'granularity' where v.version_id = any(:version_ids)))
 group by grouping sets ((p.version_id), ())

-- name: impact_recommendations
-- open recommendations about versions that ask for something, oldest first
select r.recommendation_id, v.name, v.version, r.as_of, r.action, r.reasons
  from analytics.retraining_recommendations r join analytics.model_versions v using (version_id)
 where r.version_id = any(:version_ids) and r.status = 'open' and r.action <> 'none'
 order by r.as_of, r.recommendation_id

-- name: impact_sets
-- the feature sets of which a build has a feature (one version of it, or any), with their builds and whether their newest values are served
select b.feature_set, count(*) as builds, sum(b.rows)::bigint as rows, max(b.as_of) as newest_as_of,
       exists (select from analytics.online_feature_sets o
                where o.feature_set = b.feature_set
                  and exists (select from jsonb_array_elements(o.features) s
                               where s ->> 'name' = :name and (cast(:version as int) is null or (s ->> 'version')::int = :version))) as online
  from analytics.feature_builds b
 where exists (select from jsonb_array_elements(b.features) f
                where f ->> 'name' = :name and (cast(:version as int) is null or (f ->> 'version')::int = :version))
 group by b.feature_set
 order by b.feature_set

-- name: impact_related
-- other features that are computed from the same metric types as a feature, in their newest versions
select distinct on (o.name) o.name, o.version, o.transformation,
       array(select unnest(o.source_metric_types) intersect select unnest(f.source_metric_types) order by 1) as shared
  from (select source_metric_types from analytics.model_feature_store
         where name = :name and (cast(:version as int) is null or version = :version) order by version desc limit 1) f
  join analytics.model_feature_store o on o.source_metric_types && f.source_metric_types
 where o.name <> :name
 order by o.name, o.version desc
