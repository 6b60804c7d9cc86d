-- brings what each part of health weighs, where it differs; nothing is written when nothing changed
update analytics.health_policy p set weight = n.weight, good = n.good, bad = n.bad
  from jsonb_to_recordset(cast(:document as jsonb) -> 'parts') as n (part text, weight float8, good float8, bad float8)
 where n.part = p.part and (p.weight, p.good, p.bad) is distinct from (n.weight, n.good, n.bad)
