-- series that have sent nothing new for longer than they usually do, as known at :as_of: how long they are silent, and what is usual (days)
-- (usual is, of the newest 28 usable observations: the gap that one in ten exceeds, and the delay until it was recorded; silent is three gaps
-- and a delay without news; quality of the time from the first later observation on was not known at :as_of, so it is not asked)
with newest as (
    select s.series_id, n.observed_at, n.recorded_at, n.observed_at - lag(n.observed_at) over (partition by s.series_id order by n.observed_at) as gap
      from unnest(cast(:series_ids as bigint[])) s (series_id)
     cross join lateral (
           select min(l.observed_at) as since from analytics.time_series_metrics l
            where l.series_id = s.series_id and l.observed_at >= :start and l.recorded_at > :as_of) later
     cross join lateral (
           select m.observed_at, m.recorded_at from analytics.time_series_metrics m
            where m.series_id = s.series_id and m.observed_at >= :start and m.observed_at < :as_of and m.recorded_at <= :as_of
              and (coalesce(m.quality_score, 1) > 0 or m.observed_at >= later.since)
            order by m.observed_at desc limit 28) n
), rhythm as (
    select series_id, max(observed_at) as last_at, count(gap) as gaps,
           date_part('epoch', cast(:as_of as timestamptz) - max(observed_at)) / 86400 as silent,
           date_part('epoch', percentile_disc(0.9) within group (order by gap)) / 86400 as gap,
           date_part('epoch', percentile_disc(0.9) within group (order by recorded_at - observed_at)) / 86400 as delay
      from newest group by series_id
)
select series_id, analytics.series_name(s) as name, last_at, silent, gap, delay from rhythm join analytics.series s using (series_id)
 where gaps >= 7 and silent > 3 * gap + delay
 order by series_id
