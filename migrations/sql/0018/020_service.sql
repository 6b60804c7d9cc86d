-- When a series is served at all, as the models see it, so that SQL can tell a forecast that waits from one that nothing will ever judge.

create table analytics.service_calendar (
    series_id       bigint      primary key references analytics.series on delete cascade,
    closed_weekdays smallint[]  not null default '{}' check (closed_weekdays <@ '{1,2,3,4,5,6,7}'),
    closed_months   smallint[]  not null default '{}' check (closed_months <@ '{1,2,3,4,5,6,7,8,9,10,11,12}'),
    as_of           timestamptz not null
);
comment on table  analytics.service_calendar is 'Weekdays and months in which a series never has a value, as they were learnt from its own past when it was last forecast. Nothing is forecast for them, and a forecast that was stored before they closed is closed, too. A series that has never been forecast has no row.';
comment on column analytics.service_calendar.series_id       is 'Of analytics.series.';
comment on column analytics.service_calendar.closed_weekdays is 'Closed weekdays from 1 (Monday) to 7 (Sunday), by the clock of the series; empty where all are served, or steps are longer than a day.';
comment on column analytics.service_calendar.closed_months   is 'Closed months from 1 (January) to 12; empty where all are served.';
comment on column analytics.service_calendar.as_of           is 'It was first known to be so from what was recorded by then (UTC instant).';
