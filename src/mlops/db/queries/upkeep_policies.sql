-- the tables that are partitioned by month, and what is to be done for each
select parent::text as parent, least(premake_months, max_ahead_months) as premake_months, keep_months, archive
  from analytics.partition_policy order by parent::text
