-- finds each time of a series that stands more than once in the file, and whether those rows agree; how many
create temporary table repeated on commit drop as
select series_key, observed_at, min(line) as first_line,
       min(value) = max(value)
       and count(value_lower)   in (0, count(*)) and min(value_lower)   is not distinct from max(value_lower)
       and count(value_upper)   in (0, count(*)) and min(value_upper)   is not distinct from max(value_upper)
       and count(quality_score) in (0, count(*)) and min(quality_score) is not distinct from max(quality_score) as agree
  from incoming
 group by series_key, observed_at
having count(*) > 1
