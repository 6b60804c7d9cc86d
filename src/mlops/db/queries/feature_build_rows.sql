-- the rows of a build in a window, an array per series and column, because millions of single values are slow to pass
select series_id, count(*) as rows, array_send(array_agg(observed_at order by observed_at)) as ds,
       array_send(array_agg(y order by observed_at)) as y,
       array_send(array_agg(features order by observed_at)) as features
  from analytics.offline_features
 where build_id = :build_id
   and (cast(:start as timestamptz) is null or observed_at >= :start)
   and (cast(:end as timestamptz) is null or observed_at < :end)
 group by series_id
 order by series_id
