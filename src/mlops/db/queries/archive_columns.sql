-- the columns of a table that hold what was written, and whether a row can do without
select a.attname as name, format_type(a.atttypid, a.atttypmod) as type, a.attnotnull and not a.atthasdef as needed
  from pg_attribute a
 where a.attrelid = cast(:table as regclass) and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
 order by a.attnum
