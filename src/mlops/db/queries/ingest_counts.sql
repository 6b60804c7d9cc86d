-- how many observations the file added and corrected
select coalesce(sum(inserted), 0)::bigint as inserted, coalesce(sum(corrected), 0)::bigint as corrected from touched
