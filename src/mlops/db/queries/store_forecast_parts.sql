-- which series each total of an issue sums; what was said before stands
insert into analytics.forecast_parts (version_id, series_id, cutoff, parts)
select :version_id, t.series_id, :cutoff, array_agg(p.part_id order by p.part_id)
  from unnest(cast(:totals as bigint[]), cast(:parts as bigint[])) as p (total_id, part_id)
 cross join lateral (select p.total_id as series_id) t
 group by t.series_id
    on conflict (version_id, series_id, cutoff) do nothing
