-- A pattern needs two cycles, and says how strong it is.

drop materialized view analytics.seasonal_patterns;
create materialized view analytics.seasonal_patterns as
with days as (
    select d.series_id, date_part('isodow', d.day)::smallint as weekday, date_part('month', d.day)::smallint as month,
           count(*) as days, sum(d.value) as total, sum(d.value * d.value) as squares, min(d.day) as first_day, max(d.day) as last_day
      from analytics.daily_metrics_summary d
     group by 1, 2, 3
), whole as (
    select series_id, sum(total) / sum(days) as mean, max(last_day) - min(first_day) as span from days group by series_id
), places as (
    select series_id, case when grouping(weekday) = 0 then 'weekday' else 'month' end as season, coalesce(weekday, month) as position,
           sum(days)::int as days, sum(total) / sum(days) as mean,
           sqrt(greatest(sum(squares) / sum(days) - (sum(total) / sum(days)) ^ 2, 0)) as deviation,
           min(first_day) as first_day, max(last_day) as last_day
      from days group by grouping sets ((series_id, weekday), (series_id, month))
)
select p.series_id, s.tenant_id, s.metric_type, p.season, p.position, p.days, p.mean, p.deviation,
       p.mean / nullif(w.mean, 0) as index, p.mean - w.mean as difference, p.first_day, p.last_day,
       (f.profiled ->> 'strength')::float8 as strength, (f.profiled ->> 'found')::boolean as found
  from places p join whole w using (series_id) join analytics.series s using (series_id) join analytics.granularities g on g.name = s.granularity
 cross join lateral (select s.seasonality #> array['seasons', case p.season when 'weekday' then 'week' else 'year' end] as profiled) f
 where case p.season when 'weekday' then g.mean_days < 7 and w.span + g.mean_days >= 14 else w.span + g.mean_days >= 1.95 * 365.25 end;  -- two cycles
create unique index seasonal_patterns_key on analytics.seasonal_patterns (series_id, season, position);
create index seasonal_patterns_metric on analytics.seasonal_patterns (tenant_id, metric_type, season);
comment on materialized view analytics.seasonal_patterns is 'One row per series and weekday (1 is Monday; series with steps shorter than a week only), and per series and month of the year: its mean day against the mean day of the series. Of a history that holds two such cycles: one day is no week, one year no season.';
comment on column analytics.seasonal_patterns.index      is 'mean / mean of the series: 1.2 is 20 % above. Means little where the mean of the series is near 0; see difference.';
comment on column analytics.seasonal_patterns.deviation  is 'Standard deviation of the days at this position.';
comment on column analytics.seasonal_patterns.difference is 'mean − mean of the series, in the unit of the metric type.';
comment on column analytics.seasonal_patterns.strength   is 'How much of what varies the season explains, from 0 (of noise) to 1 (of a pure pattern): the share of variance beyond chance, less trend and shorter seasons, as of the last profile (analytics.series.seasonality, which mlops db maintain keeps). Null before the first profile, and where the history is shorter than five weeks or two years.';
comment on column analytics.seasonal_patterns.found      is 'Whether the season is believed: strong enough, the same in its odd and even cycles, and repeating at its length. Where it is not, strength may rest on a few odd days, as of a customer who is emptied once a week and now and then on another day. Null where strength is.';
comment on column analytics.seasonal_patterns.days        is 'How many days of the series lie at this position.';
comment on column analytics.seasonal_patterns.first_day   is 'The first local day that was looked at.';
comment on column analytics.seasonal_patterns.last_day    is 'The newest local day that was looked at.';
comment on column analytics.seasonal_patterns.mean        is 'The mean of these days, in the unit of the metric type.';
comment on column analytics.seasonal_patterns.metric_type is 'What is measured, of analytics.metric_types.';
comment on column analytics.seasonal_patterns.position    is 'Of a weekday 1 (Monday) to 7 (Sunday), of a month 1 to 12.';
comment on column analytics.seasonal_patterns.season      is 'weekday or month.';
comment on column analytics.seasonal_patterns.series_id   is 'Of analytics.series.';
comment on column analytics.seasonal_patterns.tenant_id   is 'The tenant; 1 where there is one only.';

-- a profile that has changed makes the view stale
create trigger mark_source after update of seasonality on analytics.series for each statement execute function analytics.mark_source();
update analytics.view_freshness set sources = sources || array['series'] where view_name = 'seasonal_patterns';
insert into analytics.dirty_sources (source) values ('series');
