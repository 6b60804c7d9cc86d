delete from analytics.model_prediction_results where parts is not null;
drop table analytics.forecast_parts;
alter table analytics.model_prediction_results drop column parts;
delete from analytics.series where weeks_of is not null;
delete from analytics.series where total;
drop index analytics.series_weeks_of;
alter table analytics.series drop constraint series_weeks_are_totals, drop column weeks_of, drop column total;
