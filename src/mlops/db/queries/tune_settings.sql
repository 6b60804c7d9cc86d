-- server settings as they are now, and whether a change waits for a restart
select name, current_setting(name) as current, context = 'postmaster' as restart
  from pg_settings where name = any(cast(:names as text[]))
