-- how many rows a table has, and the digest of these columns (null: of all)
select rows, digest from analytics.partition_content(cast(:table as regclass), cast(:columns as name[]))
