-- What the first file of a series brings is its history: it became known when its periods ended. Which file is the first one is remembered
-- until that is stored whole, so that one which was interrupted and is sent again is stored as if nothing had happened.

create table analytics.first_ingests (
    series_id  bigint      primary key references analytics.series on delete cascade,
    sha256     text        not null,
    started_at timestamptz not null default clock_timestamp()
);
comment on table analytics.first_ingests is 'Series whose first file is being stored, or was interrupted while it was, and the digest of that file. Empty otherwise.';
create index first_ingests_file on analytics.first_ingests (sha256);

alter table analytics.ingest_progress
    add column backdated       bigint not null default 0 check (backdated >= 0),
    add column backdated_until timestamptz,
    add column late            bigint not null default 0 check (late >= 0);
comment on column analytics.ingest_progress.backdated is 'New rows that count as known since their period ended, the last of them at backdated_until.';
comment on column analytics.ingest_progress.late is 'New rows that became known now, although their period ended long ago.';
