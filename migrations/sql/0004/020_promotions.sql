-- Promotions: every move of an alias that was decided here, with who, why and the evidence. Never rewritten.

create table analytics.promotions (
    promotion_id      bigint generated always as identity primary key,
    model_id          bigint      not null references analytics.registered_models,
    alias             text        not null,
    version_id        bigint      not null references analytics.model_versions,
    from_version_id   bigint      references analytics.model_versions,
    action            text        not null check (action in ('promote', 'rollback')),
    decided_by        text        not null check (decided_by <> ''),
    reason            text        not null check (reason <> ''),
    gates             jsonb       not null check (jsonb_typeof(gates) = 'array'),
    forced            boolean     not null default false,
    recommendation_id bigint      references analytics.retraining_recommendations,
    decided_at        timestamptz not null default clock_timestamp(),
    applied_at        timestamptz check (applied_at >= decided_at),
    check (version_id is distinct from from_version_id),
    constraint promotions_pass_or_are_forced check (forced or not jsonb_path_exists(gates, '$[*] ? (@.passed == false)'))
);
comment on table  analytics.promotions is 'Which version an alias was to point to, by whose decision, why, and what each gate found.';
comment on column analytics.promotions.from_version_id is 'Where the alias pointed before; empty when it was new.';
comment on column analytics.promotions.gates           is 'One object per gate: gate, passed, found, expected.';
comment on column analytics.promotions.forced          is 'A gate failed, or could not be asked, and a person decided all the same.';
comment on column analytics.promotions.applied_at      is 'When the registry''s alias was moved; empty when that was interrupted: the same command again finishes it.';
create index promotions_by_model on analytics.promotions (model_id, alias, decided_at desc);

create function analytics.keep_promotions() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
    if tg_op = 'UPDATE' and old.applied_at is null and (to_jsonb(new) - 'applied_at') = (to_jsonb(old) - 'applied_at') then
        return new;
    end if;
    raise exception 'promotion % stands as it was decided', old.promotion_id
          using hint = 'record another promotion or a rollback', errcode = 'object_not_in_prerequisite_state';
end $$;
comment on function analytics.keep_promotions is 'Refuses to change or delete a recorded promotion; only applied_at is filled in, once.';
create trigger keep_promotions before update or delete on analytics.promotions for each row execute function analytics.keep_promotions();
