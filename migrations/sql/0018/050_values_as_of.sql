-- Observations as they were known at a time: the rule of the library's history, for SQL.

create function analytics.values_as_of(
    p_as_of       timestamptz,
    p_metric_type text        default null,
    p_series_ids  bigint[]    default null,
    p_from        timestamptz default null,
    p_to          timestamptz default null
) returns table (series_id bigint, observed_at timestamptz, day date, value double precision, quality_score real, recorded_at timestamptz)
language sql stable
as $$
    select k.series_id, k.observed_at, analytics.local_day(k.observed_at, g.dated, s.time_zone), k.value,
           case when l.since is null or k.observed_at < l.since then k.quality_score end, k.recorded_at
      from (select m.series_id, m.observed_at, m.value, m.quality_score, m.recorded_at
              from analytics.time_series_metrics m
             where m.recorded_at <= p_as_of
               and m.observed_at >= coalesce(p_from, '-infinity') and m.observed_at < coalesce(p_to, 'infinity')
               and (p_series_ids is null or m.series_id = any (p_series_ids))
            union all
            select r.series_id, r.observed_at, r.value, null, r.recorded_at
              from analytics.time_series_revisions r
             where r.recorded_at <= p_as_of and r.superseded_at > p_as_of
               and r.observed_at >= coalesce(p_from, '-infinity') and r.observed_at < coalesce(p_to, 'infinity')
               and (p_series_ids is null or r.series_id = any (p_series_ids))) k
      join analytics.series s on s.series_id = k.series_id
      join analytics.granularities g on g.name = s.granularity
      left join (  -- from its first later observation on, a series' scores may rest on what was not known
            select n.series_id, min(n.observed_at) as since
              from analytics.time_series_metrics n
             where n.recorded_at > p_as_of and n.observed_at < coalesce(p_to, 'infinity')
               and (p_series_ids is null or n.series_id = any (p_series_ids))
               and (p_metric_type is null or n.series_id in (select w.series_id from analytics.series w where w.metric_type = p_metric_type))
             group by n.series_id) l on l.series_id = k.series_id
     where p_metric_type is null or s.metric_type = p_metric_type
$$;
comment on function analytics.values_as_of is
'Observations as they were known at p_as_of: of a value that was corrected since the one that stood then, and nothing that was recorded later. What mlops trains and judges with. A route''s customers and the route itself measure the same: join analytics.series and choose a level before you add up. Chosen by metric type, series, and time from p_from until before p_to; what is left out is not asked for.
series_id, observed_at (UTC instant, or 00:00 UTC of the local date of a day or longer), day (local date), value, quality_score (0 to 1; empty where it may rest on what was recorded later, as of old values of corrected observations), recorded_at (when it became known).
It reads the months from p_from to p_to alone when quality_score is not asked for, else also those before. Months that are archived are not in it: see analytics.archived_months.';
