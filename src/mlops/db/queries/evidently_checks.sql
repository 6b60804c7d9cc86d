-- every check with its Evidently snapshot, as known at :as_of: how many findings drifted by kind, what the backtest promised, the health of who is champion still
with checks as (
    select version_id, as_of, snapshot from analytics.evidently_snapshots where as_of <= :as_of
), healthy as (
    select t.as_of, h.version_id, max(h.score) as score
      from (select distinct as_of from checks) t cross join lateral analytics.health_of_models(t.as_of) h
     group by t.as_of, h.version_id
)
select v.model_id, v.version_id, v.name, v.version, coalesce(k.alias, 'champion') as alias, c.as_of, c.snapshot::text as snapshot, h.score as health,
       case when jsonb_typeof(v.metrics -> 'wape') = 'number' then (v.metrics ->> 'wape')::float8 end as promised_wape,
       (select jsonb_object_agg(kind, drifted)
          from (select kind, count(*) filter (where drifted) as drifted
                  from analytics.model_performance_tracking t
                 where t.version_id = c.version_id and t.as_of = c.as_of group by kind) k) as drifted
  from checks c
  join analytics.model_versions v using (version_id)
  left join analytics.model_checks k on k.version_id = c.version_id and k.as_of = c.as_of
  left join healthy h on h.version_id = c.version_id and h.as_of = c.as_of
 order by v.model_id, c.as_of, v.version
