-- observations of a selection of series as they were known at a time, and nothing that was recorded later
with chosen as (
    select series_id from analytics.series
     where (cast(:metric_type as text) is null or metric_type = :metric_type)
       and (cast(:granularity as text) is null or granularity = :granularity)
       and (cast(:labels as jsonb) is null or labels @> :labels)
       and (cast(:series_ids as bigint[]) is null or series_id = any(:series_ids))
), later as (  -- from its first later observation on, a series' scores may rest on what was not known
    select m.series_id, min(m.observed_at) as since
      from analytics.time_series_metrics m join chosen using (series_id)
     where m.recorded_at > :as_of
     group by m.series_id
)
select m.series_id, m.observed_at as ds, m.value as y,
       case when l.since is null or m.observed_at < l.since then m.quality_score end as quality_score
  from analytics.time_series_metrics m join chosen using (series_id) left join later l using (series_id)
 where m.recorded_at <= :as_of and (cast(:start as timestamptz) is null or m.observed_at >= :start)
union all
select r.series_id, r.observed_at, r.value, null
  from analytics.time_series_revisions r join chosen using (series_id)
 where r.recorded_at <= :as_of and r.superseded_at > :as_of and (cast(:start as timestamptz) is null or r.observed_at >= :start)
 order by 1, 2
