-- versions whose named days are still to be mirrored: from when until when; of those that an alias points to always until the end of next year
select v.version_id, v.lineage -> 'recipe' ->> 'country' as country, coalesce(v.lineage -> 'recipe' -> 'events', '[]') as events,
       coalesce(c.last_day + 1, make_date(date_part('year', v.trained_from at time zone 'UTC')::int, 1, 1)) as first_day, w.last_day
  from analytics.model_versions v
  left join analytics.model_calendars c using (version_id)
 cross join lateral (
       select make_date(1 + date_part('year', greatest(v.trained_to,
                  (select now() from analytics.model_aliases a where a.version_id = v.version_id and a.valid_to is null limit 1))
                  at time zone 'UTC')::int, 12, 31) as last_day) w
 where v.lineage ? 'recipe' and v.trained_from is not null and v.deleted_at is null and coalesce(c.last_day < w.last_day, true)
 order by v.version_id
