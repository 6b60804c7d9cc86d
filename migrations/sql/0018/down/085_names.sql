drop trigger name_entities on analytics.month_figures;
drop function analytics.name_entities();
