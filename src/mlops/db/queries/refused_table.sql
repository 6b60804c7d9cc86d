-- makes room for refused rows on their way; gone at the end of the transaction
create temporary table arriving_refused (line bigint, column_name text, found text, reason text, raw jsonb) on commit drop
