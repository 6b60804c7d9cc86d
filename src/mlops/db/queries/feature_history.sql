-- observations of some series as they were known at a time, an array per series, because single values are slow to pass
with known as (
    select series_id, observed_at, value
      from analytics.time_series_metrics
     where series_id = any(:series_ids) and recorded_at <= :as_of
       and (cast(:start as timestamptz) is null or observed_at >= :start)
    union all
    select series_id, observed_at, value
      from analytics.time_series_revisions
     where series_id = any(:series_ids) and recorded_at <= :as_of and superseded_at > :as_of
       and (cast(:start as timestamptz) is null or observed_at >= :start)
)
select series_id, array_send(array_agg(observed_at order by observed_at)) as ds,
       array_send(array_agg(value order by observed_at)) as y
  from known
 group by series_id
 order by series_id
