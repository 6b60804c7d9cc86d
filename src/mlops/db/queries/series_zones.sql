-- the time zones, UTC left out, of series whose steps are shorter than a day
select distinct s.time_zone from analytics.series s join analytics.granularities g on g.name = s.granularity
 where not g.dated and s.time_zone <> 'UTC' order by s.time_zone
