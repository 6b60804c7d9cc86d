-- Keys of the server: made, listed, revoked, read by who admits, and when each was last used.

-- name: add_api_key
-- stores a new key by its digest; returns it as it is listed
insert into analytics.api_keys (key_id, tenant_id, name, digest, role, scopes, per_minute, burst, created_by, expires_at)
values (:key_id, :tenant_id, :name, :digest, :role, :scopes, :per_minute, :burst, :created_by, :expires_at)
returning key_id, tenant_id, name, role, scopes, per_minute, burst, created_at, created_by, expires_at, revoked_at, revoked_by, last_used_at

-- name: api_keys
-- every key that was ever made, the newest first; with an id only that one
select key_id, tenant_id, name, role, scopes, per_minute, burst, created_at, created_by, expires_at, revoked_at, revoked_by, last_used_at
  from analytics.api_keys
 where cast(:key_id as text) is null or key_id = :key_id
 order by created_at desc, key_id

-- name: revoke_api_key
-- revokes a key that is not revoked yet
update analytics.api_keys set revoked_at = clock_timestamp(), revoked_by = :revoked_by
 where key_id = :key_id and revoked_at is null

-- name: api_keys_in_force
-- the keys that a server admits; one that expired within a day is among them, so that its holder can be told
select key_id, digest, tenant_id, name, role, scopes, per_minute, burst, expires_at
  from analytics.api_keys
 where revoked_at is null and coalesce(expires_at > now() - interval '1 day', true)

-- name: add_api_key_uses
-- writes when keys were last used, of :key_ids and :used_at (in seconds of the Unix epoch), which are of the same length
update analytics.api_keys k set last_used_at = greatest(k.last_used_at, to_timestamp(u.used_at))
  from unnest(cast(:key_ids as text[]), cast(:used_at as double precision[])) as u (key_id, used_at)
 where k.key_id = u.key_id
