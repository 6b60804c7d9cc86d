-- Which decision stands behind a stretch of an alias: one rule for history, rollback, alerts and the way back from a prediction.

create view analytics.alias_decisions as
with stretches as (
    select a.model_id, a.alias, a.version_id, a.valid_from, a.valid_to,
           lag(a.version_id) over before as before_id, lag(a.valid_from) over before as before_from, lag(a.valid_to) over before as before_to
      from analytics.model_aliases a
    window before as (partition by a.model_id, a.alias order by a.valid_from)
)
select s.model_id, s.alias, s.version_id, s.valid_from, s.valid_to, p.promotion_id, p.decided_at
  from stretches s
  left join analytics.promotions p
         on p.model_id = s.model_id and p.alias = s.alias and p.version_id = s.version_id
        and p.decided_at < coalesce(s.valid_to, 'infinity')
        and p.decided_at > coalesce(case when s.before_id = s.version_id then s.before_to else s.before_from end, '-infinity');
comment on view analytics.alias_decisions is 'Each stretch of time in which an alias pointed at a version, with the decisions behind it: those taken while the version before stood, and those put on record while this one did. A stretch that nobody decided has an empty promotion_id. The newest decision counts.';
comment on column analytics.alias_decisions.decided_at is 'A decision says nothing about the time before it.';
