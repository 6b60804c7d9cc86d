-- whether the server has the role for those who only read
select exists (select from pg_roles where rolname = 'mlops_reader')
