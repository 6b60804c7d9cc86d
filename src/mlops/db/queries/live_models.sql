-- Which versions processes answer with, and when all of them change one.

-- name: beat_live_worker
-- records that a process serves models, as it does twice a second; whether it was known
insert into analytics.live_workers as w (worker_id, host, pid) values (:worker_id, :host, :pid)
    on conflict (worker_id) do update set seen_at = clock_timestamp()
returning xmax <> 0 as known

-- name: forget_live_workers
-- removes processes that ended: one by its id, and those that were not seen for a day
delete from analytics.live_workers where worker_id = any (cast(:worker_ids as uuid[])) or seen_at < clock_timestamp() - interval '1 day'

-- name: report_live_models
-- records which versions a process answers with and which it has ready; a change that is agreed stays until it has been made
with given as (
    select coalesce(n.model_id, v.model_id) as model_id, g.alias, g.version_id, g.next_id
      from jsonb_to_recordset(cast(:document as jsonb) -> 'models') as g (alias text, version_id bigint, next_id bigint)
      left join analytics.model_versions v using (version_id)
      left join analytics.model_versions n on n.version_id = g.next_id
), gone as (
    delete from analytics.live_models l
     where l.worker_id = :worker_id and not exists (select from given g where (g.model_id, g.alias) = (l.model_id, l.alias))
)
insert into analytics.live_models as l (worker_id, model_id, alias, version_id, next_id, ready_at)
select :worker_id, model_id, alias, version_id, next_id, case when next_id is not null then clock_timestamp() end from given
    on conflict (worker_id, model_id, alias) do update
   set version_id = excluded.version_id,
       since = case when l.version_id is distinct from excluded.version_id then clock_timestamp() else l.since end,
       next_id = case when l.next_at is null or l.next_id = excluded.version_id then excluded.next_id else l.next_id end,
       ready_at = case when l.next_at is null or l.next_id = excluded.version_id
                       then case when l.next_id = excluded.next_id then l.ready_at else excluded.ready_at end else l.ready_at end,
       next_at = case when l.next_id = excluded.version_id then null else l.next_at end

-- name: agree_on_live_models
-- sets when a process's next versions take over: as soon as every process that lives and answers for the alias has the same one
-- ready or answers with it already; at once where it is alone, else after a time in which all of them hear of it
with living as (
    select l.* from analytics.live_models l join analytics.live_workers w using (worker_id)
     where w.worker_id = :worker_id or w.seen_at > clock_timestamp() - cast(:patience as interval)
), judged as (
    select m.model_id, m.alias, m.next_id,
           coalesce(bool_and(o.worker_id is null or o.next_id is not distinct from m.next_id or o.next_at is null and o.version_id = m.next_id), true) as agreed,
           max(o.next_at) filter (where o.next_id = m.next_id) as agreed_at,
           coalesce(bool_or(o.next_id = m.next_id and o.next_at is null), false) as together,
           least(min(m.ready_at), min(o.ready_at) filter (where o.next_id = m.next_id)) as ready_at
      from living m
      left join living o on o.worker_id <> m.worker_id and (o.model_id, o.alias) = (m.model_id, m.alias) and o.version_id is not null
     where m.worker_id = :worker_id and m.next_id is not null and m.next_at is null
     group by m.model_id, m.alias, m.next_id
)
update analytics.live_models l
   set next_at = greatest(j.agreed_at, clock_timestamp() + case
                     when not j.together then interval '0'
                     when j.ready_at < clock_timestamp() - cast(:slow_after as interval) then cast(:slow_notice as interval)
                     else cast(:notice as interval) end)
  from judged j
 where j.agreed and (l.model_id, l.alias, l.next_id) = (j.model_id, j.alias, j.next_id) and l.next_at is null
   and l.worker_id in (select worker_id from living)

-- name: live_model_changes
-- of a process's next versions: in how many seconds each takes over (null: that is not agreed), and which process they wait for
select l.alias, l.next_id, date_part('epoch', l.next_at - clock_timestamp()) as seconds, o.worker_id as waits_for, o.host, o.pid
  from analytics.live_models l
  left join lateral (
       select w.worker_id, w.host, w.pid
         from analytics.live_models o join analytics.live_workers w using (worker_id)
        where o.worker_id <> l.worker_id and (o.model_id, o.alias) = (l.model_id, l.alias) and o.version_id is not null
          and l.next_at is null and o.next_id is distinct from l.next_id
          and not (o.next_at is null and o.version_id = l.next_id)
          and w.seen_at > clock_timestamp() - cast(:patience as interval)
        order by o.since desc, w.worker_id limit 1) o on true
 where l.worker_id = :worker_id and l.next_id is not null

-- name: version_to_fall_back_to
-- what else may answer for an alias: the version that other processes answer with, else the newest that it meant before
select v.name, c.alias, v.version, v.created_at
  from (select alias, case when next_at is not null then next_id else version_id end as version_id, true as now, since as at
          from analytics.live_models join analytics.live_workers w using (worker_id)
         where worker_id <> :worker_id and version_id is not null and w.seen_at > clock_timestamp() - cast(:patience as interval)
         union all
        select alias, version_id, false, valid_to from analytics.model_aliases where valid_to is not null) c
  join analytics.model_versions v using (version_id)
 where v.name = :name and c.alias = :alias and v.deleted_at is null
   and (c.now or (v.version, v.created_at) is distinct from (:version, :created_at))
 order by c.now desc, c.at desc
 limit 1
