-- what became of observations that were known at a time and are not read as of then any more, by series, month and cause
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
