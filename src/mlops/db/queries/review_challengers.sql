-- how good challengers were beside their champions over the last 28 days: the freshest forecasts of both for the same series and times
with pairs as (
    select * from unnest(cast(:champions as bigint[]), cast(:challengers as bigint[])) as p (champion, challenger)
), freshest as materialized (
    select distinct on (version_id, series_id, target_at) version_id, series_id, target_at, y_hat,
           case when outcome_recorded_at <= :as_of then outcome end as outcome
      from (select champion as version_id from pairs union select challenger from pairs) asked
      join analytics.model_prediction_results using (version_id)
     where issued_at <= :as_of
       and target_at >= :as_of - interval '28 days' and target_at < :as_of
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
