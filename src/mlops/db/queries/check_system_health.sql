-- the checks of analytics.check_system_health()
select * from analytics.check_system_health()
