-- keeps the reason why a whole file could not be read; the same file sent again adds nothing
insert into analytics.refused_rows (sha256, line, reason, raw, source)
values (:sha256, :line, :reason, '{}', :source)
on conflict (sha256, line, reason) do nothing
