-- the tables that are partitioned by month, what is to be done for each, and the table whose family each belongs to
select parent::text as parent, least(premake_months, max_ahead_months) as premake_months, keep_months, archive,
       coalesce(follows, parent)::text as family
  from analytics.partition_policy order by coalesce(follows, parent)::text, follows is not null, parent::text
