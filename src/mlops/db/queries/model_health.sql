-- the health of every champion, and of every challenger that forecasts, as known at :as_of, the worst first
select h.name, h.version, h.alias, h.score, h.status, h.weakest, h.weakest_words, h.parts, h.as_of, h.forecasts, h.labelled,
       h.wape, h.wape_promised, h.coverage_80, h.labelled_until, h.forecast_until, h.checked_at
  from analytics.health_of_models(cast(:as_of as timestamptz)) h
 order by h.score nulls first, h.name, h.alias
