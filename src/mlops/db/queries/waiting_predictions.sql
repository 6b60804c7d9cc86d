-- predictions whose time has come but whose outcome is not known, and how many of them nothing may ever judge
select count(*) as waiting, count(*) filter (where target_at < cast(:as_of as timestamptz) - interval '28 days') as overdue
  from analytics.model_prediction_results where outcome is null and parts is null and target_at < :as_of
