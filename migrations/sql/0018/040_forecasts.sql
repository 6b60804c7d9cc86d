-- Every stored forecast as an analyst asks for it: whose it is by name, which day, how far ahead, by which model, and what became of it.

create view analytics.forecasts with (security_invoker = true) as
select s.tenant_id, p.series_id, analytics.series_name(s) as series, s.metric_type, t.unit, s.granularity, s.level, p.parts is not null as total,
       s.customer_id, coalesce(c.name, analytics.label_name(s, 'customer')) as customer,
       s.route_id,    coalesce(r.name, analytics.label_name(s, 'route'))    as route,
       s.site_id,     coalesce(l.name, analytics.label_name(s, 'site'))     as site,
       s.vehicle_id, s.driver_id, s.labels,
       v.name as model, v.version, v.kind, p.version_id,
       exists (select from analytics.model_aliases a where a.version_id = p.version_id and a.alias = 'champion' and a.valid_to is null) as champion,
       p.issued_at, p.cutoff, p.target_at, d.day, p.horizon,
       ceil(date_part('epoch', p.target_at - p.cutoff) / 604800)::int as horizon_week,
       not exists (select from analytics.model_prediction_results n
                    where n.version_id = p.version_id and n.series_id = p.series_id and n.target_at = p.target_at and n.cutoff > p.cutoff) as freshest,
       p.y_hat, p.lo_80, p.hi_80, p.lo_95, p.hi_95,
       p.outcome, p.error, p.outcome_recorded_at, p.matched_at,
       case when p.outcome is not null then 'matched'
            when o.series_id is not null
                 and (date_part('isodow', d.day)::int = any (o.closed_weekdays) or date_part('month', d.day)::int = any (o.closed_months)) then 'closed'
            when p.target_at < now() - interval '28 days' then 'overdue'
            else 'waiting' end as status
  from analytics.model_prediction_results p
  left join analytics.series s using (series_id)
  left join analytics.granularities g on g.name = s.granularity
  left join analytics.metric_types t on t.name = s.metric_type
  left join analytics.model_versions v using (version_id)
  left join analytics.customers c on c.tenant_id = s.tenant_id and c.customer_id = s.customer_id
  left join analytics.routes r on r.tenant_id = s.tenant_id and r.route_id = s.route_id
  left join analytics.sites l on l.tenant_id = s.tenant_id and l.site_id = s.site_id
  left join analytics.service_calendar o on o.series_id = p.series_id
 cross join lateral (select analytics.local_day(p.target_at, g.dated, s.time_zone) as day) d;

comment on view analytics.forecasts is
'One row per stored forecast: model version, series, cutoff and time that it is for, with names, the local day, and what became of it. A day is forecast from many cutoffs and by several versions: a total stands beside what it sums, and a weekly one beside its days: ask for freshest, for one model and champion, for one level and granularity, and either for no totals or for these alone, before you add up. A condition on target_at lets PostgreSQL read the months that it names alone; for local days analytics.forecasts_between does so. Months that are archived are not in it.';
comment on column analytics.forecasts.tenant_id           is 'The tenant of the series; 1 where there is one only.';
comment on column analytics.forecasts.series_id           is 'Of analytics.series.';
comment on column analytics.forecasts.series              is 'The name of the series, as mlops series list prints it: its places and labels.';
comment on column analytics.forecasts.metric_type         is 'What is forecast, of analytics.metric_types.';
comment on column analytics.forecasts.unit                is 'The unit of y_hat, its bounds, outcome and error.';
comment on column analytics.forecasts.granularity         is 'How long a step of the series is: hourly, daily, weekly, …';
comment on column analytics.forecasts.level               is 'Whose forecast it is: customer, driver, vehicle, route, site or company. What a route''s customers and the route itself are forecast must not be added up; see analytics.series_parts.';
comment on column analytics.forecasts.total               is 'Whether it is a forecast of a total: of the sum of the series below, or of a whole week of days. It counts each day by how often the series is served on it, so it is not the sum of their y_hat, nor are its bounds of theirs. Else it is what the model forecasts itself.';
comment on column analytics.forecasts.customer_id         is 'The customer of the series; empty where it has none.';
comment on column analytics.forecasts.customer            is 'The customer''s name from analytics.customers, else by the labels of the series (customer_name, or name where it is the customer''s own); empty where neither says one.';
comment on column analytics.forecasts.route_id            is 'The route of the series; empty where it has none.';
comment on column analytics.forecasts.route               is 'The route''s name from analytics.routes, else by the labels of the series (route_name, or name where it is the route''s own).';
comment on column analytics.forecasts.site_id             is 'The site of the series; empty where it has none.';
comment on column analytics.forecasts.site                is 'The site''s name from analytics.sites, else by the labels of the series (site_name, or name where it is the site''s own).';
comment on column analytics.forecasts.vehicle_id          is 'The vehicle of the series; empty where it has none.';
comment on column analytics.forecasts.driver_id           is 'The driver of the series; empty where it has none.';
comment on column analytics.forecasts.labels              is 'The labels of the series, as a JSON object.';
comment on column analytics.forecasts.model               is 'The registered model''s name now, or its last one.';
comment on column analytics.forecasts.version             is 'The number of the model version, as MLflow counts.';
comment on column analytics.forecasts.kind                is 'The kind of the model: auto, lean, naive, …';
comment on column analytics.forecasts.version_id          is 'Of analytics.model_versions.';
comment on column analytics.forecasts.champion            is 'Whether the alias champion points to this version now, whoever was champion when it forecast.';
comment on column analytics.forecasts.issued_at           is 'The forecast saw only what was recorded by this instant.';
comment on column analytics.forecasts.cutoff              is 'The newest step that the forecast could know; horizon counts from there.';
comment on column analytics.forecasts.target_at           is 'The step that is forecast, by the time at which it begins: an instant, or of steps of a day or longer 00:00 UTC of the local date.';
comment on column analytics.forecasts.day                 is 'The local date of target_at by the clock of the series; of longer steps that on which they begin. The same in every session''s time zone.';
comment on column analytics.forecasts.horizon             is 'How many steps after the cutoff; steps in which the series is closed count, too.';
comment on column analytics.forecasts.horizon_week        is 'Weeks ahead: 1 is up to 7 days after the cutoff, 2 up to 14, and so on.';
comment on column analytics.forecasts.freshest            is 'Whether the version has no forecast of the same step from a newer cutoff: what was planned with in the end.';
comment on column analytics.forecasts.y_hat               is 'The forecast, in unit.';
comment on column analytics.forecasts.lo_80               is 'Lower bound of the 80 % interval: one outcome in ten is to be below it.';
comment on column analytics.forecasts.hi_80               is 'Upper bound of the 80 % interval.';
comment on column analytics.forecasts.lo_95               is 'Lower bound of the 95 % interval.';
comment on column analytics.forecasts.hi_95               is 'Upper bound of the 95 % interval.';
comment on column analytics.forecasts.outcome             is 'What really happened, as last matched; empty until it is known.';
comment on column analytics.forecasts.error               is 'y_hat - outcome: above 0 the forecast was too high.';
comment on column analytics.forecasts.outcome_recorded_at is 'When the outcome became known.';
comment on column analytics.forecasts.matched_at          is 'As of when the outcome was written onto the forecast.';
comment on column analytics.forecasts.status              is
'matched: the outcome is known. closed: without an outcome, on a weekday or in a month in which the series never has a value (analytics.service_calendar), so that none is expected. overdue: the step began more than 28 days ago and no outcome came. waiting: an outcome may still come. Of those two analytics.model_accuracy_summary counts apart, as without_service, the ones of series of which a later value is known: nothing came on that step, as on a holiday.';

create function analytics.forecasts_between(p_from date, p_to date) returns setof analytics.forecasts
language sql stable
as $$
    select f.* from analytics.forecasts f
     where f.day >= p_from and f.day < p_to
       -- so that other months are not read: no clock is further from UTC than that
       and f.target_at >= (p_from - 1)::timestamp at time zone 'UTC' and f.target_at < (p_to + 1)::timestamp at time zone 'UTC'
$$;
comment on function analytics.forecasts_between is 'The rows of analytics.forecasts for local days from p_from until before p_to; reads their months alone.';
