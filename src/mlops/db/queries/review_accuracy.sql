-- how good the freshest forecasts of versions for the last 7 days and for the recent days of their granularity (28 of days) were, and the
-- seasonal naive from the same cutoffs
select * from analytics.forecast_accuracy(cast(:version_ids as bigint[]), :as_of)
