-- day by day over all series, the freshest forecast of a model against the outcome: summed, or averaged where a sum means nothing;
-- without the days on which fewer than four in five outcomes are known, and without what is a part of another of them
with freshest as (
    select distinct on (p.series_id, p.target_at) p.series_id, p.target_at, p.y_hat, case when p.outcome_recorded_at <= :as_of then p.outcome end as outcome
      from analytics.model_prediction_results p
      join analytics.model_versions v using (version_id)
      join (select version_id, min(valid_from) as since, max(coalesce(valid_to, 'infinity')) as until, min(min(valid_from)) over (partition by model_id) as first
              from analytics.model_aliases where alias = 'champion' group by model_id, version_id) c using (version_id)  -- what a challenger forecasts is nobody's plan
     where v.model_id = :model_id and p.parts is null and p.issued_at <= :as_of and p.target_at >= :start and p.target_at < :as_of
       and (c.since <= :as_of or c.first > :as_of)  -- younger than the review are they all when the past is replayed
     order by p.series_id, p.target_at, p.cutoff desc, p.issued_at >= c.since and p.issued_at < c.until desc, p.version_id desc
)
select target_at as ds,
       case when :summed then sum(outcome) else avg(outcome) end as outcome,
       case when :summed then sum(y_hat) filter (where outcome is not null) else avg(y_hat) filter (where outcome is not null) end as y_hat
  from freshest
 where (series_id, target_at) not in (select p.part_id, w.target_at from analytics.series_parts p join freshest w on w.series_id = p.whole_id)
 group by target_at having count(outcome) >= 0.8 * count(*) order by target_at
