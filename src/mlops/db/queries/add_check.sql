-- records that a version was checked for one week, as what, and what was measured; a later check of the same week replaces it
insert into analytics.model_checks as c (version_id, as_of, alias, state, problem, measured, compared_with, comparison)
values (:version_id, :as_of, :alias, :state, :problem, :measured, cast(:compared_with as bigint), cast(:comparison as jsonb))
    on conflict (version_id, as_of) do update
       set alias = excluded.alias, state = excluded.state, problem = excluded.problem, measured = excluded.measured,
           compared_with = excluded.compared_with, comparison = excluded.comparison, checked_at = excluded.checked_at
     where (c.alias, c.state, c.problem, c.measured, c.compared_with, c.comparison)
           is distinct from (excluded.alias, excluded.state, excluded.problem, excluded.measured, excluded.compared_with, excluded.comparison)
