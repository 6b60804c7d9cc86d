drop trigger name_places on analytics.month_figures;
drop function analytics.name_places();
