-- keeps in which weekdays and months series are not served; what was known later stands
insert into analytics.service_calendar as c (series_id, closed_weekdays, closed_months, as_of)
select d.series_id, d.closed_weekdays, d.closed_months, :as_of
  from jsonb_to_recordset(cast(:document as jsonb) -> 'series') as d (series_id bigint, closed_weekdays smallint[], closed_months smallint[])
 order by d.series_id
on conflict (series_id) do update
   set closed_weekdays = excluded.closed_weekdays, closed_months = excluded.closed_months, as_of = excluded.as_of
 where c.as_of <= excluded.as_of
   and (c.closed_weekdays, c.closed_months) is distinct from (excluded.closed_weekdays, excluded.closed_months)
