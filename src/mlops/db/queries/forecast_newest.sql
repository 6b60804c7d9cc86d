-- the newest day for which versions have forecast, as known at :as_of; each is asked by its index, from the newest month on
select max(n.target_at)
  from unnest(cast(:version_ids as bigint[])) v (version_id)
 cross join lateral (
       select p.target_at from analytics.model_prediction_results p
        where p.version_id = v.version_id and p.issued_at <= :as_of
        order by p.target_at desc limit 1) n
