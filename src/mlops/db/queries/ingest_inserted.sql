-- how many observations of the file were new
select coalesce(sum(inserted), 0)::bigint from touched
