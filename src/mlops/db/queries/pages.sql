-- Pages of what is stored, each found by the key of the last row of the page before.

-- name: series_page
-- series of a metric type, granularity and level, or all, with the newest observation of each
select s.series_id, analytics.series_name(s) as name, s.metric_type, t.unit, s.granularity, s.level, s.time_zone, s.total, s.tenant_id,
       s.customer_id, s.route_id, s.vehicle_id, s.driver_id, s.site_id, s.labels, n.observed_at as newest_at, n.value as newest
  from analytics.series s
  join analytics.metric_types t on t.name = s.metric_type
  left join lateral (select m.observed_at, m.value from analytics.time_series_metrics m
                      where m.series_id = s.series_id order by m.observed_at desc limit 1) n on true
 where s.series_id > :after
   and (cast(:metric_type as text) is null or s.metric_type = :metric_type)
   and (cast(:granularity as text) is null or s.granularity = :granularity)
   and (cast(:level as text) is null or s.level = :level)
 order by s.series_id
 limit :most

-- name: anomalies_page
-- observations that are anomalies, as recorded by :as_of, the newest first, of series of a metric type, of some series or all
select m.series_id, analytics.series_name(s) as series, s.metric_type, t.unit, m.observed_at, m.value, m.anomaly_score, m.quality_score, m.recorded_at
  from analytics.time_series_metrics m
  join analytics.series s using (series_id)
  join analytics.metric_types t on t.name = s.metric_type
 where m.is_anomaly and m.recorded_at <= :as_of and m.observed_at >= :start and m.observed_at < :end_at
   and (cast(:series_ids as bigint[]) is null or m.series_id = any(:series_ids))
   and (cast(:metric_type as text) is null or s.metric_type = :metric_type)
   and (cast(:before as timestamptz) is null or (m.observed_at, m.series_id) < (:before, :before_series))
 order by m.observed_at desc, m.series_id desc
 limit :most

-- name: forecasts_page
-- of each of these series the newest forecasts that any of its versions had issued by :as_of (or that from one cutoff), step by step;
-- versions[i] forecast series[i], models are told apart by their name, and pairs come in the order of the pages
with pairs as (
    select s.series_id, v.name as model, array_agg(v.version_id) as version_ids
      from unnest(cast(:series_ids as bigint[]), cast(:version_ids as bigint[])) s (series_id, version_id)
      join analytics.model_versions v using (version_id)
     where (s.series_id, v.name) >= (cast(:after_series as bigint), cast(:after_model as text))
     group by s.series_id, v.name
     order by s.series_id, v.name
)
select p.prediction_id, r.model, v.version, r.series_id, analytics.series_name(s) as series, t.unit, p.issued_at, p.cutoff, p.target_at, p.horizon,
       p.y_hat, p.lo_80, p.hi_80, p.lo_95, p.hi_95, o.outcome
  from pairs r
 cross join lateral (
       select n.version_id, n.cutoff
         from unnest(r.version_ids) u (version_id)
        cross join lateral (
              select i.version_id, i.cutoff, i.issued_at
                from analytics.model_prediction_results i
               where i.version_id = u.version_id and i.series_id = r.series_id and i.issued_at <= :as_of
                 and i.target_at >= :start and i.target_at < :end_at and i.cutoff >= :cutoff_from and i.cutoff < :cutoff_to
               order by i.cutoff desc limit 1) n
        order by n.cutoff desc, n.issued_at desc, n.version_id desc limit 1) i
  join analytics.model_prediction_results p
    on p.version_id = i.version_id and p.series_id = r.series_id and p.cutoff = i.cutoff and p.issued_at <= :as_of
   and p.target_at >= :start and p.target_at < :end_at
  join analytics.model_versions v on v.version_id = i.version_id
  join analytics.series s on s.series_id = r.series_id
  join analytics.metric_types t on t.name = s.metric_type
 cross join lateral (select case when p.outcome_recorded_at <= :as_of then p.outcome end as outcome) o
 where p.horizon <= :steps
   and (r.series_id, r.model, p.target_at) > (cast(:after_series as bigint), cast(:after_model as text), cast(:after_target as timestamptz))
 order by r.series_id, r.model, p.target_at
 limit :most

-- name: findings_page
-- what weekly checks compared and found, as recorded by :as_of, the newest first: of a model or all, drifted or everything
select t.finding_id, v.name as model, v.version, t.as_of, t.window_start, t.window_end, t.kind, t.subject, t.slice, t.statistic, t.threshold,
       t.drifted, t.detail, t.change
  from analytics.model_performance_tracking t
  join analytics.model_versions v using (version_id)
 where t.as_of <= :as_of and (not :drifted or t.drifted)
   and (cast(:name as text) is null or v.name = :name)
   and (cast(:kind as text) is null or t.kind = :kind)
   and (cast(:before as timestamptz) is null or (t.as_of, t.finding_id) < (:before, :before_id))
 order by t.as_of desc, t.finding_id desc
 limit :most
