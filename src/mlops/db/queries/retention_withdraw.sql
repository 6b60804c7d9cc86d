-- lets no month of a table leave the database until somebody agrees anew; false when nobody had agreed
select analytics.withdraw_retention(cast(:parent as regclass))
