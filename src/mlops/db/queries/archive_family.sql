-- the archives of the same month of the other tables of a family that are not in the database
select m.archive_id, m.partition, m.path
  from analytics.partition_archives a
  join analytics.partition_policy p on p.parent = a.parent
  join analytics.partition_policy f on f.parent <> p.parent and coalesce(f.follows, f.parent) = coalesce(p.follows, p.parent)
  join analytics.archived_months m on m.parent = f.parent and m.lower_bound = a.lower_bound
 where a.archive_id = :archive_id
