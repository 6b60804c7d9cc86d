-- refuses the rows of the file that say different things about the same series and time; how many
with clash as (
    select r.series_key, r.observed_at, (array_agg(i.line || ' (' || i.value || ')' order by i.line))[1:10] as sayings
      from repeated r join incoming i using (series_key, observed_at)
     where not r.agree
     group by r.series_key, r.observed_at
)
insert into incoming_refused (line, column_name, found, reason, raw)
select i.line, 'value', i.value::text,
       'lines ' || array_to_string(c.sayings, ', ') || ' disagree about the same series and time; keep one of them',
       jsonb_strip_nulls(to_jsonb(s) - 'series_key' - 'series_id' || to_jsonb(i) - 'series_key' - 'line')
  from clash c join incoming i using (series_key, observed_at) join incoming_series s using (series_key)
