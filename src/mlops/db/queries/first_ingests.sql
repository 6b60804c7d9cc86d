-- the series whose first file this one is: nothing else has come in meanwhile, and what it brought itself is whole
select f.series_id from analytics.first_ingests f
 where f.sha256 = :sha256
   and (select m.observed_at from analytics.time_series_metrics m where m.series_id = f.series_id limit 1) is null
