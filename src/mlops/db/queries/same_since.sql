-- since which check in a row a recommendation asks the same for the same cause
with mine as (
    select version_id, as_of, action, cause from analytics.retraining_recommendations where recommendation_id = :recommendation_id
)
select min(r.as_of)
  from mine m join analytics.retraining_recommendations r using (version_id)
 where r.as_of <= m.as_of and r.replaced_by is null
   and r.as_of > coalesce((select max(o.as_of) from analytics.retraining_recommendations o
                            where o.version_id = m.version_id and o.as_of < m.as_of and o.replaced_by is null
                              and (o.action, o.cause) is distinct from (m.action, m.cause)), '-infinity')
