-- the tables that are partitioned by month, what is to be done for each, and the table whose family each belongs to
select p.parent::text as parent, least(p.premake_months, p.max_ahead_months) as premake_months, p.archive,
       coalesce(p.follows, p.parent)::text as family, r.kept_from, r.agreed
  from analytics.partition_policy p join analytics.retention() r on r.parent = coalesce(p.follows, p.parent)
 order by coalesce(p.follows, p.parent)::text, p.follows is not null, p.parent::text
