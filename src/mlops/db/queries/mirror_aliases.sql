-- opens the time of aliases that the mirror does not show yet
insert into analytics.model_aliases (model_id, alias, version_id, valid_from)
select model_id, alias, version_id, :at from pg_temp.alias_changes where change = 'set'
