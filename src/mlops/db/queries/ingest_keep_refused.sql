-- keeps the refused rows of the file with their reasons; the same file sent again adds nothing
insert into analytics.refused_rows (sha256, line, reason, column_name, found, raw, source)
select cast(:sha256 as text), line, reason, column_name, found, raw, cast(:source as text) from arriving_refused order by line, reason
on conflict (sha256, line, reason) do nothing
