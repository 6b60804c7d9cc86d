-- where the aliases of models pointed, as known at :as_of, the newest first; a null `until` means still (times as in review_champions)
with moves as (
    select a.model_id, a.alias, a.version_id, v.version, a.valid_from,
           case when a.model_id = any(:replayed) then coalesce(own.since, a.valid_from) else a.valid_from end as moved_at,
           case when a.model_id = any(:replayed) then coalesce(own.until, a.valid_to) else a.valid_to end as closed_at
      from analytics.model_aliases a
      join analytics.model_versions v using (version_id)
     cross join lateral (
           select greatest(v.as_of, max(w.as_of) filter (where w.created_at <= a.valid_from)) as since,
                  max(w.as_of) filter (where w.created_at <= a.valid_to) as until
             from analytics.model_versions w where w.model_id = a.model_id) own
     where a.model_id = any(:model_ids)
)
select model_id, alias, version_id, version, lag(version) over (partition by model_id, alias order by valid_from) as before,
       moved_at, case when closed_at <= :as_of then closed_at end as until
  from moves where moved_at <= :as_of
 order by model_id, moved_at desc, valid_from desc
