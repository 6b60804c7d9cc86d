-- where the aliases of a model pointed, as known at :as_of, the newest first; a null `until` means still
with moves as (
    select a.alias, v.version, a.valid_from, case when :replayed then coalesce(v.as_of, a.valid_from) else a.valid_from end as moved_at,
           case when :replayed then null else a.valid_to end as closed_at
      from analytics.model_aliases a join analytics.model_versions v using (version_id)
     where a.model_id = :model_id
), known as (
    select *, lag(version) over earlier as before, lead(moved_at) over earlier as next_at
      from moves where moved_at <= :as_of
    window earlier as (partition by alias order by valid_from)
)
select alias, version, before, moved_at, coalesce(next_at, case when closed_at <= :as_of then closed_at end) as until
  from known order by moved_at desc, valid_from desc
