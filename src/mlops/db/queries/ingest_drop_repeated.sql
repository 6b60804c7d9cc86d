-- keeps one of the rows of the file that agree, and none of those that disagree
delete from incoming i
 using repeated r
 where i.series_key = r.series_key and i.observed_at = r.observed_at and (not r.agree or i.line > r.first_line)
