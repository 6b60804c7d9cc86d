-- by model, the units that its freshest forecasts were short of the outcome and over it: in the last 7 days, and in so many weeks
with asked as (
    select m.model_id, c.recent_days / 7 as weeks
      from unnest(cast(:model_ids as bigint[]), cast(:granularities as text[])) as m (model_id, granularity)
      join analytics.granularities c on c.name = m.granularity
), freshest as (
    select distinct on (p.series_id, p.target_at, a.model_id) a.model_id, a.weeks, p.target_at, p.outcome - p.y_hat as short
      from asked a
      join analytics.model_versions v using (model_id)
      join analytics.model_prediction_results p on p.version_id = v.version_id
      join (select version_id, min(valid_from) as since, max(coalesce(valid_to, 'infinity')) as until, min(min(valid_from)) over (partition by model_id) as first
              from analytics.model_aliases where alias = 'champion' group by model_id, version_id) c on c.version_id = p.version_id  -- what a challenger forecasts is nobody's plan
     where p.parts is null and p.outcome_recorded_at <= :as_of and p.issued_at <= :as_of
       and p.target_at >= :as_of - make_interval(weeks => a.weeks) and p.target_at >= :as_of - make_interval(weeks => (select max(weeks) from asked)) and p.target_at < :as_of
       and (c.since <= :as_of or c.first > :as_of)  -- younger than the review are they all when the past is replayed
     order by p.series_id, p.target_at, a.model_id, p.cutoff desc, p.issued_at >= c.since and p.issued_at < c.until desc, p.version_id desc
)
select model_id, least(weeks, greatest(1, ceil(date_part('epoch', :as_of - min(target_at)) / 604800)))::int as weeks,
       coalesce(sum(greatest(short, 0))  filter (where target_at >= :as_of - interval '7 days'), 0) as week_under,
       coalesce(sum(greatest(-short, 0)) filter (where target_at >= :as_of - interval '7 days'), 0) as week_over,
       sum(greatest(short, 0)) as units_under, sum(greatest(-short, 0)) as units_over
  from freshest group by model_id, weeks
