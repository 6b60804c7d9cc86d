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
