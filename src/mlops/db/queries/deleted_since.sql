-- the newest decision since a time to delete observations of some series, for each series and month: what was sent anew may be another value
select distinct on (d.series_id, m.month)
       d.series_id, to_char(m.month, 'YYYY-MM') as month, d.decided_at, d.decided_by, d.reason
  from analytics.observation_edits d
 cross join lateral generate_series(date_trunc('month', d.first_at), d.last_at, interval '1 month') m (month)
 where d.series_id = any(cast(:series_ids as bigint[])) and d.action = 'deleted' and d.decided_at >= :since
 order by d.series_id, m.month, d.edit_id desc
