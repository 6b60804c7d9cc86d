-- what there is of each of some series between two times: what a decision to delete it or to date it anew is about
select s.series_id, s.metric_type, s.granularity, o.observations, o.first_at, o.last_at, o.recorded_first, o.recorded_last, o.uncorrected, o.ahead, r.corrections, f.forecasts, f.outcomes
  from analytics.series s
  join analytics.granularities g on g.name = s.granularity
 cross join lateral (
       select count(*) as observations, min(m.observed_at) as first_at, max(m.observed_at) as last_at,
              min(m.recorded_at) as recorded_first, max(m.recorded_at) as recorded_last,
              count(*) filter (where v.observed_at is null) as uncorrected,
              count(*) filter (where coalesce(v.recorded_at, m.recorded_at) > m.observed_at + make_interval(months => g.months,
                  secs => case when g.months > 0 then 0 when g.seconds > 0 then g.seconds else 86400 end)) as ahead
         from analytics.time_series_metrics m
         left join (  -- the first value that stood there
              select distinct on (observed_at) observed_at, recorded_at from analytics.time_series_revisions
               where series_id = s.series_id and observed_at >= :first and observed_at < :until
               order by observed_at, superseded_at) v using (observed_at)
        where m.series_id = s.series_id and m.observed_at >= :first and m.observed_at < :until) o
 cross join lateral (
       select count(*) as corrections from analytics.time_series_revisions v
        where v.series_id = s.series_id and v.observed_at >= :first and v.observed_at < :until) r
 cross join lateral (
       select count(*) as forecasts, count(p.outcome) as outcomes from analytics.model_prediction_results p
        where p.series_id = s.series_id and p.target_at >= :first and p.target_at < :until) f
 where s.series_id = any(cast(:series_ids as bigint[]))
 order by s.series_id
