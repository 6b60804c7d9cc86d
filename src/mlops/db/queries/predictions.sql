-- Forecasts on their way into the database, and back to the observations behind them.

-- name: create_staged_predictions
-- creates a temporary table for COPY, dropped at commit
create temporary table staged_predictions on commit drop as
select version_id, series_id, issued_at, cutoff, target_at, horizon, y_hat, lo_80, hi_80, lo_95, hi_95, execution_ms, memory_mb, request_id, decomposition, parts, business_context
  from analytics.model_prediction_results with no data

-- name: store_predictions
-- stores forecasts; the first one for the same version, series, cutoff and target is kept
insert into analytics.model_prediction_results
       (version_id, series_id, tenant_id, issued_at, cutoff, target_at, horizon, y_hat, lo_80, hi_80, lo_95, hi_95, execution_ms, memory_mb, request_id,
        decomposition, parts, business_context)
select version_id, series_id, coalesce(s.tenant_id, 1), issued_at, cutoff, target_at, horizon, y_hat, lo_80, hi_80, lo_95, hi_95, execution_ms, memory_mb,
       request_id, decomposition, parts, business_context
  from staged_predictions left join analytics.series s using (series_id)
 order by version_id, series_id, cutoff, target_at
    on conflict (version_id, series_id, cutoff, target_at) do nothing

-- name: newest_prediction
-- the newest stored prediction
select max(prediction_id) from analytics.model_prediction_results

-- name: months_behind_prediction
-- the months of raw observations behind a prediction (of a total: behind those that it sums): what was known when it was issued, and
-- what came or changed since
with asked as (
    select coalesce(f.parts, array[coalesce(s.weeks_of, p.series_id)]) as series_ids, p.issued_at, p.cutoff, coalesce(least(v.trained_from, p.cutoff), p.cutoff) as since
      from analytics.model_prediction_results p join analytics.model_versions v using (version_id) join analytics.series s using (series_id)
      left join analytics.forecast_parts f on f.version_id = p.version_id and f.series_id = coalesce(s.weeks_of, p.series_id) and f.cutoff = p.cutoff and p.parts is not null
     where p.prediction_id = :prediction_id
), months as (
    select a.*, m as month, m + interval '1 month' as month_end
      from asked a
     cross join lateral generate_series(date_trunc('month', a.since, 'UTC'), a.cutoff, interval '1 month') m
)
select (m.month at time zone 'UTC')::date as month, t.partition::text as partition,
       o.known + r.corrected as known, r.corrected, o.later, x.path as archive
  from months m
  left join analytics.month_partitions('analytics.time_series_metrics') t on t.lower_bound = m.month
 cross join lateral (
       select (count(*) filter (where o.recorded_at <= m.issued_at))::int as known,
              (count(*) filter (where o.recorded_at > m.issued_at))::int as later
         from analytics.time_series_metrics o
        where o.series_id = any(m.series_ids) and o.observed_at >= m.month and o.observed_at < m.month_end and o.observed_at <= m.cutoff) o
 cross join lateral (
       select count(*)::int as corrected from analytics.time_series_revisions r
        where r.series_id = any(m.series_ids) and r.observed_at >= m.month and r.observed_at < m.month_end and r.observed_at <= m.cutoff
          and r.recorded_at <= m.issued_at and r.superseded_at > m.issued_at) r
  left join lateral (
       select a.path from analytics.partition_archives a
        where a.parent = 'analytics.time_series_metrics'::regclass and a.lower_bound = m.month
          and a.dropped_at is not null and a.restored_at is null
        order by a.archive_id desc limit 1) x on true
 order by m.month
