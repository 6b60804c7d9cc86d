-- the versions that are served at :as_of, with what they were trained on and the champion of their model: every champion, and what
-- another alias points to if it forecasts; a version with several aliases is there once, as champion before challenger before others
with aliased as (
    select distinct on (a.version_id) a.version_id, a.model_id, a.alias, a.valid_from as alias_since
      from analytics.model_aliases a
     where a.valid_to is null
     order by a.version_id, a.alias <> 'champion', a.alias <> 'challenger', a.alias
)
select v.version_id, v.name, v.version, v.kind, v.run_id, v.params, v.metrics, v.lineage, v.as_of, v.trained_to, a.alias, a.alias_since,
       c.version_id as champion_id, t.unit
  from aliased a
  join analytics.model_versions v using (version_id)
  left join analytics.granularities g on g.name = v.lineage -> 'selection' ->> 'granularity'
  left join analytics.metric_types t on t.name = v.lineage -> 'selection' ->> 'metric_type'
  left join analytics.model_aliases c on c.model_id = a.model_id and c.alias = 'champion' and c.valid_to is null
 where v.deleted_at is null and coalesce(v.as_of <= :as_of, true)
   and (a.alias = 'champion'
        or exists (select from analytics.model_prediction_results p
                    where p.version_id = v.version_id and p.issued_at <= :as_of
                      and p.target_at >= cast(:as_of as timestamptz)
                          - make_interval(days => coalesce(g.recent_days, 28))))
 order by v.name, a.alias <> 'champion', a.alias <> 'challenger', a.alias
