-- the live model versions that use a feature (one version of it, or any), champions first, with how much it matters to them
select v.version_id, v.name, v.version, v.kind, v.trained_to, f.version as feature_version,
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
