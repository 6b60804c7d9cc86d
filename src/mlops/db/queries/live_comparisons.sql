-- Challengers beside their champion on the same forecasts: pairs, and the verdict of each week.

-- name: live_challengers
-- the versions behind the aliases :aliases, each beside the champion of its model; without a :name of all models
select distinct on (a.version_id)
       c.version_id as champion_id, a.version_id as challenger_id, v.name, w.version as champion, v.version as challenger, a.alias,
       coalesce(w.lineage -> 'selection' ->> 'granularity', 'daily') as granularity
  from analytics.model_aliases a
  join analytics.model_versions v using (version_id)
  join analytics.model_aliases c on c.model_id = a.model_id and c.alias = 'champion' and c.valid_to is null
  join analytics.model_versions w on w.version_id = c.version_id
 where a.valid_to is null and a.alias = any(:aliases) and a.version_id <> c.version_id
   and v.deleted_at is null and w.deleted_at is null and (cast(:name as text) is null or v.name = :name)
 order by a.version_id, array_position(cast(:aliases as text[]), a.alias)

-- name: paired_days
-- the errors of two versions by week (from the day of their first pair on) and day, as known at :as_of, on the freshest pair of each series and time: forecasts from the same cutoff, else
-- (of servers that answer from the end of each training) the challenger's newest and what the champion said by then; :stepwise where a step is
-- longer than a day. What lies in a version's own training is no forecast.
with champion as materialized (
    select p.series_id, p.target_at, p.cutoff, p.issued_at, p.y_hat, case when p.outcome_recorded_at <= :as_of then p.outcome end as y
      from analytics.model_prediction_results p join analytics.model_versions v using (version_id)
     where p.version_id = :champion_id and p.parts is null and p.target_at >= :start and p.target_at < :as_of and p.issued_at <= :as_of
       and p.cutoff >= coalesce(v.trained_to, p.cutoff)
), challenger as materialized (
    select p.series_id, p.target_at, p.cutoff, p.issued_at, p.y_hat
      from analytics.model_prediction_results p join analytics.model_versions v using (version_id)
     where p.version_id = :challenger_id and p.parts is null and p.target_at >= :start and p.target_at < :as_of and p.issued_at <= :as_of
       and p.cutoff >= coalesce(v.trained_to, p.cutoff)
), from_one_cutoff as materialized (
    select distinct on (c.series_id, c.target_at) c.series_id, c.target_at, c.y_hat as champion, s.y_hat as challenger, c.y
      from champion c join challenger s using (series_id, target_at, cutoff)
     order by c.series_id, c.target_at, c.cutoff desc
), newest as (
    select distinct on (s.series_id, s.target_at) s.*
      from challenger s left join from_one_cutoff o using (series_id, target_at)
     where o.series_id is null
     order by s.series_id, s.target_at, s.cutoff desc
), pairs as (
    select * from from_one_cutoff
     union all
    select * from (
        select distinct on (c.series_id, c.target_at) c.series_id, c.target_at, c.y_hat, s.y_hat, c.y
          from newest s join champion c using (series_id, target_at)
         where c.issued_at <= s.issued_at
         order by c.series_id, c.target_at, c.cutoff desc) as_answered
), days as (
    select p.*, case when cast(:stepwise as bool) then target_at
                     else date_bin('7 days', target_at, (select date_trunc('day', min(target_at), 'UTC') from pairs)) end as week
      from pairs p
)
select week, extract(day from target_at - week)::int as day, sum(abs(champion - y)) as champion_error, sum(abs(challenger - y)) as challenger_error, sum(abs(y)) as size,
       count(y)::int as pairs, count(*)::int as due, (select count(distinct series_id) from days where y is not null)::int as series
  from days
 group by week, day
 order by week, day

-- name: add_live_comparison
-- records the comparison of a week, or replaces that of an earlier time in the week; repeating it changes nothing
insert into analytics.live_comparisons as l
       (champion_id, challenger_id, week, as_of, verdict, gain, gain_low, gain_high, confidence, wape_challenger, wape_champion,
        weeks, pairs, series, compared_from, compared_until, decided_at, weeks_to_go)
values (:champion_id, :challenger_id, cast(date_trunc('week', cast(:as_of as timestamptz), 'UTC') at time zone 'UTC' as date), :as_of, :verdict, :gain,
        cast(:gain_low as float8), cast(:gain_high as float8), :confidence, :wape_challenger, :wape_champion, :weeks, :pairs, :series,
        :compared_from, :compared_until, cast(:decided_at as timestamptz), cast(:weeks_to_go as int))
    on conflict (champion_id, challenger_id, week) do update
   set as_of = excluded.as_of, verdict = excluded.verdict, gain = excluded.gain, gain_low = excluded.gain_low, gain_high = excluded.gain_high,
       confidence = excluded.confidence, wape_challenger = excluded.wape_challenger, wape_champion = excluded.wape_champion,
       weeks = excluded.weeks, pairs = excluded.pairs, series = excluded.series, compared_from = excluded.compared_from,
       compared_until = excluded.compared_until, decided_at = excluded.decided_at, weeks_to_go = excluded.weeks_to_go,
       created_at = clock_timestamp()
 where excluded.as_of >= l.as_of
   and (excluded.as_of, excluded.verdict, excluded.gain, excluded.gain_low, excluded.gain_high, excluded.confidence, excluded.wape_challenger,
        excluded.wape_champion, excluded.weeks, excluded.pairs, excluded.series, excluded.compared_from, excluded.compared_until, excluded.decided_at,
        excluded.weeks_to_go)
       is distinct from
       (l.as_of, l.verdict, l.gain, l.gain_low, l.gain_high, l.confidence, l.wape_challenger, l.wape_champion, l.weeks, l.pairs, l.series,
        l.compared_from, l.compared_until, l.decided_at, l.weeks_to_go)

-- name: live_comparisons
-- the newest comparison of each champion and challenger that was made by :as_of, the newest first; without a :name of all models
select * from (
    select distinct on (l.champion_id, l.challenger_id)
           v.name, w.version as champion, v.version as challenger, l.champion_id, l.challenger_id, l.as_of, l.verdict, l.gain, l.gain_low, l.gain_high,
           l.confidence, l.wape_challenger, l.wape_champion, l.weeks, l.pairs, l.series, l.compared_from, l.compared_until, l.decided_at, l.weeks_to_go
      from analytics.live_comparisons l
      join analytics.model_versions v on v.version_id = l.challenger_id
      join analytics.model_versions w on w.version_id = l.champion_id
     where l.as_of <= :as_of and (cast(:name as text) is null or v.name = :name)
     order by l.champion_id, l.challenger_id, l.week desc) newest
 order by as_of desc, name, champion desc, challenger desc

-- name: better_challenger
-- the live challenger that is better than a champion by its newest comparison, made in the eight days before :as_of; of several the clearest
select v.version_id, v.version, n.gain, n.gain_low, n.gain_high, n.wape_challenger, n.wape_champion, n.weeks, n.compared_from
  from (select distinct on (l.challenger_id) l.* from analytics.live_comparisons l
         where l.champion_id = :version_id and l.as_of <= :as_of and l.as_of > cast(:as_of as timestamptz) - interval '8 days'
         order by l.challenger_id, l.week desc) n
  join analytics.model_versions v on v.version_id = n.challenger_id
 where n.verdict = 'better' and v.deleted_at is null
 order by n.gain_low desc, v.version desc
 limit 1
