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
-- the errors of two versions by week and day, where both forecast the same series and time from the same cutoff, which neither had been
-- trained beyond: the freshest such pair of each series and time, with what was known at :as_of; :stepwise where a step is longer than a day
with pairs as (
    select distinct on (c.series_id, c.target_at)
           c.series_id, c.y_hat as champion, s.y_hat as challenger, case when c.outcome_recorded_at <= :as_of then c.outcome end as y,
           case when cast(:stepwise as bool) then c.target_at else date_trunc('week', c.target_at, 'UTC') end as week,
           case when cast(:stepwise as bool) then 0 else extract(isodow from c.target_at at time zone 'UTC')::int - 1 end as weekday
      from analytics.model_prediction_results c
      join analytics.model_prediction_results s
        on s.version_id = :challenger_id and s.series_id = c.series_id and s.cutoff = c.cutoff and s.target_at = c.target_at
      join analytics.model_versions v on v.version_id = c.version_id
      join analytics.model_versions w on w.version_id = s.version_id
     where c.version_id = :champion_id and c.parts is null and s.parts is null
       and c.target_at >= :start and c.target_at < :as_of and s.target_at >= :start and s.target_at < :as_of
       and greatest(c.issued_at, s.issued_at) <= :as_of and c.cutoff >= coalesce(greatest(v.trained_to, w.trained_to), c.cutoff)
     order by c.series_id, c.target_at, c.cutoff desc
)
select week, weekday, sum(abs(champion - y)) as champion_error, sum(abs(challenger - y)) as challenger_error, sum(abs(y)) as size,
       count(y)::int as pairs, count(*)::int as due, (select count(distinct series_id) from pairs where y is not null)::int as series
  from pairs
 group by week, weekday
 order by week, weekday

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
