-- the columns of a table that hold what was written, whether a row can do without, and their place in the primary key
select a.attname as name, format_type(a.atttypid, a.atttypmod) as type, a.attnotnull and not a.atthasdef as needed,
       array_position(i.indkey::int2[], a.attnum) as key
  from pg_attribute a left join pg_index i on i.indrelid = a.attrelid and i.indisprimary
 where a.attrelid = cast(:table as regclass) and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
 order by a.attnum
