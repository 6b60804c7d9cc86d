-- the touched series whose quality this program judges, that is those for which the file brings no score of its own
select t.series_id, min(t.since) as since
  from touched t
 where not exists (select from incoming i join incoming_series s using (series_key)
                    where s.series_id = t.series_id and i.quality_score is not null)
 group by t.series_id
 order by t.series_id
