-- findings of an earlier check of one week that the newest check did not make: they stay, as no longer so
update analytics.model_performance_tracking t
   set drifted = false, detail = 'no longer so: ' || t.detail
 where t.version_id = :version_id and t.as_of = :as_of and t.drifted
   and not exists (select from unnest(cast(:kinds as text[]), cast(:subjects as text[]), cast(:slices as text[])) n (kind, subject, slice)
                    where (n.kind, n.subject, n.slice) = (t.kind, t.subject, t.slice))
