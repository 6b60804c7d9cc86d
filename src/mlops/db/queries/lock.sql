-- waits for the advisory lock of a name, held until the end of the transaction
select pg_advisory_xact_lock(hashtextextended(:name, 0))
