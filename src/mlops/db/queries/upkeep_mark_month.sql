-- lets the next refresh summarise the days of a month anew; how many series have observations in it
select analytics.mark_month(:month)
