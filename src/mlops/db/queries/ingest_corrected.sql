-- how many observations the file corrected
select coalesce(sum(corrected), 0)::bigint from touched
