-- the archives to verify again: those with a problem, and a few of the longest unverified, so that each is verified within 30 days
-- (nightly runs take a twentieth of all, three at least, that were not verified for a week; what was missed for 29 days is not put off)
with counted as (
    select archive_id, partition, path, sha256, problem, coalesce(verified_at, archived_at) as since,
           row_number() over (order by coalesce(verified_at, archived_at), archive_id) as place, count(*) over () as archives
      from analytics.archived_months
)
select archive_id, partition, path, sha256 from counted
 where problem is not null or since < now() - interval '29 days'
    or since < now() - interval '7 days' and place <= greatest(3, ceil(archives / 20.0))
 order by since, archive_id
