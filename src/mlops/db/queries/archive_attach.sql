-- takes a table with the rows of an archive as its month; what was brought back and what was there
select partition, restored, there from analytics.attach_archive(:archive_id, cast(:table as regclass), :days)
