-- Keys of those who ask the server from elsewhere: what each may do, for how long and how often. No secret is stored.

create table analytics.api_keys (
    key_id       text        primary key check (key_id ~ '^[0-9a-f]{12}$'),
    tenant_id    int         not null default 1,
    name         text        not null check (name <> ''),
    digest       bytea       not null unique check (octet_length(digest) = 32),
    role         text        not null check (role in ('viewer', 'scientist', 'reviewer', 'operator', 'admin')),
    scopes       text[]      check (scopes <> '{}'),
    per_minute   int         check (per_minute > 0),
    burst        int         check (burst > 0),
    created_at   timestamptz not null default clock_timestamp(),
    created_by   text        not null check (created_by <> ''),
    expires_at   timestamptz check (expires_at > created_at),
    revoked_at   timestamptz check (revoked_at >= created_at),
    revoked_by   text        check (revoked_by <> ''),
    last_used_at timestamptz,
    check ((per_minute is null) = (burst is null)),
    check ((revoked_at is null) = (revoked_by is null))
);
comment on table analytics.api_keys is 'One row per key of the server; none is ever removed, a revoked one stays with who revoked it. The secret is shown once, when the key is made, and only its digest is here.';
comment on column analytics.api_keys.key_id       is 'The visible part of the key: mlops_<key_id>_<secret>.';
comment on column analytics.api_keys.tenant_id    is 'The tenant; 1 where there is one only.';
comment on column analytics.api_keys.name         is 'Who or what uses it, as its maker says; two keys may have the same name while one replaces the other.';
comment on column analytics.api_keys.digest       is 'SHA-256 of the whole key, which is random enough that nothing slower is needed.';
comment on column analytics.api_keys.role         is 'viewer, scientist, reviewer, operator or admin: it says what the key may do.';
comment on column analytics.api_keys.scopes       is 'Those of the role''s scopes that the key is confined to; empty means all of them.';
comment on column analytics.api_keys.per_minute   is 'Requests a minute, on average, that are answered; empty means no limit.';
comment on column analytics.api_keys.burst        is 'Requests that may come at once after a pause; empty where there is no limit.';
comment on column analytics.api_keys.created_at   is 'When it was made (instant).';
comment on column analytics.api_keys.created_by   is 'Who made it.';
comment on column analytics.api_keys.expires_at   is 'From when on it is refused; empty means never.';
comment on column analytics.api_keys.revoked_at   is 'When it was revoked; servers refuse it within seconds. Empty while it is good.';
comment on column analytics.api_keys.revoked_by   is 'Who revoked it; empty while it is good.';
comment on column analytics.api_keys.last_used_at is 'When a request last came with it, to about a minute; empty when none ever did.';
