-- what there is of each of some series between two times: what a decision to delete it or to date it anew is about
select s.series_id, s.metric_type, s.granularity, o.observations, o.first_at, o.last_at, o.recorded_first, o.recorded_last,
       o.observations - r.corrected as uncorrected, o.ahead - r.now_ahead + r.first_ahead as ahead, r.corrections, f.forecasts, f.outcomes
  from analytics.series s
  join analytics.granularities g on g.name = s.granularity
 cross join lateral (
       select count(*) as observations, min(m.observed_at) as first_at, max(m.observed_at) as last_at,
              min(m.recorded_at) as recorded_first, max(m.recorded_at) as recorded_last,
              count(*) filter (where m.recorded_at > m.observed_at + g.step) as ahead
         from analytics.time_series_metrics m
        where m.series_id = s.series_id and m.observed_at >= :first and m.observed_at < :until) o
 cross join lateral (  -- of what was corrected the first value counts, not the one that stands
       select coalesce(sum(v.corrections), 0)::bigint as corrections, count(m.recorded_at) as corrected,
              count(*) filter (where m.recorded_at > v.observed_at + g.step) as now_ahead,
              count(*) filter (where m.recorded_at is not null and v.recorded_at > v.observed_at + g.step) as first_ahead
         from (select observed_at, count(*) as corrections, (array_agg(recorded_at order by superseded_at))[1] as recorded_at
                 from analytics.time_series_revisions
                where series_id = s.series_id and observed_at >= :first and observed_at < :until
                group by observed_at) v
         left join lateral (select m.recorded_at from analytics.time_series_metrics m
                             where m.series_id = s.series_id and m.observed_at = v.observed_at limit 1) m on true) r
 cross join lateral (
       select count(*) as forecasts, count(p.outcome) as outcomes from analytics.model_prediction_results p
        where p.series_id = s.series_id and p.target_at >= :first and p.target_at < :until) f
 where s.series_id = any(cast(:series_ids as bigint[]))
 order by s.series_id
