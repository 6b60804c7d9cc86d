-- takes away the marks of some series that came in by SQL: from when on their scores are to be made
with chosen as (
    select series_id from (select distinct series_id from analytics.unscored) s order by series_id limit :most
), taken as (
    delete from analytics.unscored u using chosen c where u.series_id = c.series_id returning u.series_id, u.since
)
select t.series_id, s.metric_type, s.granularity, s.time_zone, min(t.since) as since
  from taken t join analytics.series s using (series_id)
 group by t.series_id, s.metric_type, s.granularity, s.time_zone order by t.series_id
