-- writes onto weekly totals the sum of the outcomes of their days, once all of them are known; how many
-- (of those that wait and of those of which a day was matched now; a day without a value is zero as in match_totals)
with due as materialized (
    select p.version_id, p.series_id, p.cutoff, p.target_at, s.weeks_of, t.absence = 'zero' as zero
      from analytics.series s
      join analytics.metric_types t on t.name = s.metric_type
      join analytics.model_prediction_results p on p.series_id = s.series_id
     where s.weeks_of is not null and p.target_at < cast(:as_of as timestamptz) - interval '6 days'
       and (p.outcome is null
            or (p.version_id, s.weeks_of, p.cutoff, p.target_at) in (
                select version_id, series_id, cutoff, date_trunc('week', target_at, 'UTC') from matched_predictions))
), days as (
    select d.version_id, d.series_id, d.cutoff, d.target_at, q.target_at as day, q.outcome, coalesce(q.outcome_recorded_at, n.known_at) as known_at
      from due d
      join analytics.model_prediction_results q
        on q.version_id = d.version_id and q.series_id = d.weeks_of and q.cutoff = d.cutoff
       and q.target_at >= d.target_at and q.target_at < d.target_at + interval '7 days'
      left join lateral (
           select least(min(o.recorded_at), case when q.target_at + interval '28 days' <= :as_of then q.target_at + interval '28 days' end) as known_at
             from analytics.time_series_metrics o
            where d.zero and q.outcome is null and o.series_id = d.weeks_of
              and o.observed_at > q.target_at and o.observed_at <= q.target_at + interval '28 days' and o.recorded_at <= :as_of) n on d.zero and q.outcome is null
), summed as materialized (
    select version_id, series_id, cutoff, target_at, coalesce(sum(outcome order by day), 0) as outcome, max(known_at) as known_at
      from days group by version_id, series_id, cutoff, target_at having count(known_at) = count(*)
), matched as (
    update analytics.model_prediction_results p
       set outcome = o.outcome, outcome_recorded_at = o.known_at, matched_at = :as_of
      from summed o
     where p.version_id = o.version_id and p.series_id = o.series_id and p.cutoff = o.cutoff and p.target_at = o.target_at
       and p.target_at < :as_of and p.outcome is distinct from o.outcome
    returning 1
)
select count(*) from matched
