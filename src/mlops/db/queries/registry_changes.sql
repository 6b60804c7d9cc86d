-- how many rows of each kind differ from the registry
select 'models' as what, change, count(*) as rows from pg_temp.model_changes group by change
 union all
select 'models', 'renamed', count(*) from pg_temp.model_changes where renamed having count(*) > 0
 union all
select 'versions', change, count(*) from pg_temp.version_changes group by change
 union all
select 'aliases', change, count(*) from pg_temp.alias_changes group by change
