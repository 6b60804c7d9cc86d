-- a table like a partition of observations, to be filled and then attached as that of a month; its name
select analytics.make_month_alone(:month)
