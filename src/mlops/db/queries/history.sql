-- observations of a selection of series as they were known at :as_of
with chosen as (
    select series_id from analytics.series
     where (cast(:metric_type as text) is null or metric_type = :metric_type)
       and (cast(:granularity as text) is null or granularity = :granularity)
       and (cast(:labels as jsonb) is null or labels @> :labels)
       and (cast(:series_ids as bigint[]) is null or series_id = any(:series_ids))
)
select m.series_id, m.observed_at as ds, m.value as y, m.quality_score
  from analytics.time_series_metrics m join chosen using (series_id)
 where m.recorded_at <= :as_of and (cast(:start as timestamptz) is null or m.observed_at >= :start)
union all
select r.series_id, r.observed_at, r.value, null
  from analytics.time_series_revisions r join chosen using (series_id)
 where r.recorded_at <= :as_of and r.superseded_at > :as_of and (cast(:start as timestamptz) is null or r.observed_at >= :start)
 order by 1, 2
