-- takes the rows of archived months away that an earlier question of the transaction needed
truncate pg_temp.archived_metrics, pg_temp.archived_revisions
