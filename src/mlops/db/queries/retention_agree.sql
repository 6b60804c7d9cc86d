-- lets old months of a table leave the database from now on; how many are due
select analytics.agree_to_retention(cast(:parent as regclass))
