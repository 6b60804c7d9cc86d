-- observations of some series as they were known at a time, and nothing that was recorded later
with later as (  -- from its first later observation on, a series' scores may rest on what was not known
    select series_id, min(observed_at) as since
      from analytics.time_series_metrics
     where series_id = any(:series_ids) and recorded_at > :as_of
     group by series_id
)
select m.series_id, m.observed_at as ds, m.value as y,
       case when l.since is null or m.observed_at < l.since then m.quality_score end as quality_score
  from analytics.time_series_metrics m left join later l using (series_id)
 where m.series_id = any(:series_ids) and m.recorded_at <= :as_of
   and (cast(:start as timestamptz) is null or m.observed_at >= :start)
union all
select series_id, observed_at, value, null
  from analytics.time_series_revisions
 where series_id = any(:series_ids) and recorded_at <= :as_of and superseded_at > :as_of
   and (cast(:start as timestamptz) is null or observed_at >= :start)
 order by 1, 2
