-- how many months of a table, and of those that follow it, are kept from now on; null is for ever
update analytics.partition_policy set keep_months = :months where parent = cast(:parent as regclass)
