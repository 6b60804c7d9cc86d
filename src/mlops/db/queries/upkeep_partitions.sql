-- every partition by its real bounds, and whether it was restored for a time
select p.parent::text as parent, m.partition::text as partition, m.lower_bound, m.upper_bound, m.estimated_rows as rows,
       (select max(a.restored_until) from analytics.partition_archives a
         where a.parent = p.parent and a.lower_bound = m.lower_bound) as restored_until
  from analytics.partition_policy p cross join lateral analytics.month_partitions(p.parent) m
 order by 1, 3
