-- how good challengers were beside their champions over the recent days of their granularity (28 of days): the freshest forecasts of both
-- for the same series and times
with pairs as (
    select p.champion, p.challenger, coalesce(g.recent_days, 28) as days
      from unnest(cast(:champions as bigint[]), cast(:challengers as bigint[])) as p (champion, challenger)
      join analytics.model_versions v on v.version_id = p.champion
      left join analytics.granularities g on g.name = v.lineage -> 'selection' ->> 'granularity'
), freshest as materialized (
    select distinct on (version_id, series_id, target_at) version_id, series_id, target_at, y_hat,
           case when outcome_recorded_at <= :as_of then outcome end as outcome
      from (select champion as version_id, days from pairs union select challenger, days from pairs) asked
      join analytics.model_prediction_results using (version_id)
     where issued_at <= :as_of and parts is null
       and target_at >= :as_of - make_interval(days => (select max(days) from pairs)) and target_at >= :as_of - make_interval(days => days)
       and target_at < :as_of
     order by version_id, series_id, target_at, cutoff desc
)
select p.challenger as version_id, count(*) as forecasts,
       sum(abs(b.y_hat - b.outcome)) / nullif(sum(abs(b.outcome)), 0) as wape,
       sum(abs(a.y_hat - a.outcome)) / nullif(sum(abs(a.outcome)), 0) as wape_champion
  from pairs p
  join freshest a on a.version_id = p.champion
  join freshest b on b.version_id = p.challenger and b.series_id = a.series_id and b.target_at = a.target_at
 where a.outcome is not null and b.outcome is not null
 group by p.challenger
