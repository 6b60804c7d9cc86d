-- makes a file the first one of those series of it that have no observations, in this database or in the archive; another one that had
-- begun and stored nothing is not it any more
insert into analytics.first_ingests (series_id, sha256)
select s.series_id, :sha256
  from analytics.series s
 where s.series_id = any(cast(:series_ids as bigint[]))
   and (select m.observed_at from analytics.time_series_metrics m where m.series_id = s.series_id limit 1) is null
   and not exists (select from analytics.archived_months a
                    where a.parent = 'analytics.time_series_metrics'::regclass and a.archived_at > s.created_at)
 order by s.series_id
on conflict (series_id) do update set sha256 = excluded.sha256 where first_ingests.sha256 <> excluded.sha256
