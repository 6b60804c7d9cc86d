-- for each table with a retention of its own what is due to leave the database, and whether somebody has agreed to that
select parent::text as parent, keep_months, archive, kept_from, due, due_from, due_until, due_rows, due_bytes, agreed_at, agreed_by, agreed, why
  from analytics.retention() order by 1
