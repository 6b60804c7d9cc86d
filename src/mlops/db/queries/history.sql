-- Observations as they were known at a time, and what became of those that are gone.

-- name: history
-- observations of some series as they were known at a time; nothing that was recorded later is read
with later as (  -- from its first later observation on, a series' scores may rest on what was not known
    select series_id, min(observed_at) as since
      from analytics.time_series_metrics
     where series_id = any(:series_ids) and recorded_at > :as_of
     group by series_id
)
select m.series_id, m.observed_at as ds, m.value as y,
       case when l.since is null or m.observed_at < l.since then m.quality_score end as quality_score
  from analytics.time_series_metrics m left join later l using (series_id)
 where m.series_id = any(:series_ids) and m.recorded_at <= :as_of
   and (cast(:start as timestamptz) is null or m.observed_at >= :start)
union all
select series_id, observed_at, value, null
  from analytics.time_series_revisions
 where series_id = any(:series_ids) and recorded_at <= :as_of and superseded_at > :as_of
   and (cast(:start as timestamptz) is null or observed_at >= :start)
 order by 1, 2

-- name: count_corrected_since
-- how many observations of some series were corrected after a time, and are read as they stood then
select count(*)
  from analytics.time_series_revisions
 where series_id = any(:series_ids) and observed_at between :first and :last and recorded_at <= :as_of and superseded_at > :as_of

-- name: lost_observations
-- what became of observations that were known at a time and can't be read as of then any more, by series, month and cause
with lost as (
    select series_id, observed_at, date_trunc('month', observed_at) as month
      from unnest(cast(:series_ids as bigint[]), cast(:times as timestamptz[])) as lost (series_id, observed_at)
), months as (
    select month, p.lower_bound is not null or r.lower_bound is not null as there, a.path
      from (select distinct month from lost) m
      left join analytics.month_partitions('analytics.time_series_metrics') p on p.lower_bound = m.month
      left join analytics.archived_months r on r.parent = 'analytics.time_series_metrics'::regclass and r.lower_bound = m.month
      left join lateral (  -- without its record: somebody dropped the month by hand
           select path from analytics.partition_archives
            where parent = 'analytics.time_series_metrics'::regclass and lower_bound = m.month
            order by archive_id desc limit 1) a on true
)
select l.series_id, to_char(l.month, 'YYYY-MM') as month, count(*) as observations,
       case when m.recorded_at > :as_of then coalesce(e.action, 'corrected')
            when m.series_id is not null then 'unreadable' when e.action = 'deleted' then 'deleted' when s.there then 'removed' when s.path is not null then 'archived' else 'dropped' end as cause,
       (array_agg(l.observed_at order by l.observed_at))[1:3] as first_times, min(m.recorded_at) as corrected_at, min(s.path) as path,
       min(e.decided_at) as decided_at, min(e.decided_by) as decided_by, min(e.reason) as reason
  from lost l join months s using (month)
  left join analytics.time_series_metrics m on m.series_id = l.series_id and m.observed_at = l.observed_at
       and m.observed_at between :first and :last
  left join lateral (  -- what was decided about it since
       select d.action, d.decided_at, d.decided_by, d.reason from analytics.observation_edits d
        where d.series_id = l.series_id and l.observed_at between d.first_at and d.last_at
          and (d.action = 'deleted' or d.known_at = 'now' and m.series_id is not null)  -- it may have been sent anew since
        order by d.edit_id desc limit 1) e on true
 group by 1, 2, 4 order by 1, 2, 4

-- name: deletions_since
-- the newest decision since a time to delete observations, for each of some series and month; what was sent again may be another value
select distinct on (d.series_id, m.month)
       d.series_id, to_char(m.month, 'YYYY-MM') as month, d.decided_at, d.decided_by, d.reason
  from analytics.observation_edits d
 cross join lateral generate_series(date_trunc('month', d.first_at), d.last_at, interval '1 month') m (month)
 where d.series_id = any(cast(:series_ids as bigint[])) and d.action = 'deleted' and d.decided_at >= :since
 order by d.series_id, m.month, d.edit_id desc

-- name: export_observations
-- the observations of some series in the long format
select s.metric_type, m.observed_at, m.value, s.customer_id, s.route_id, s.vehicle_id, s.driver_id, s.site_id, s.tenant_id,
       s.granularity, s.time_zone, m.value_lower, m.value_upper, m.quality_score, s.labels::text as labels
  from analytics.series s join analytics.time_series_metrics m using (series_id)
 where s.series_id = any(cast(:series_ids as bigint[]))
 order by s.series_id, m.observed_at
