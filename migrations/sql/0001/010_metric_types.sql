-- What is measured and how often. METRIC_TYPES and GRANULARITIES of src/mlops/domain/ are the same rows for Python.

create table analytics.granularities (
    name        text     primary key check (name ~ '^[a-z0-9_]+$'),
    position    smallint not null unique,
    step        interval not null check (step > interval '0'),
    seconds     int      not null check (seconds >= 0),
    months      int      not null check (months >= 0),
    dated       boolean  not null,
    mean_days   double precision not null check (mean_days > 0),
    cycle       int      not null check (cycle >= 1),
    recent_days int      not null check (recent_days >= 1),
    ended_days  int      not null check (ended_days >= 1),
    begins      text     not null check (begins <> ''),
    check (seconds = 0 or months = 0)
);
comment on table analytics.granularities is 'The granularities that a series may have. They come with a release: a test compares this table with the one of the library.';
comment on column analytics.granularities.name        is 'The name that series and commands use: hourly, daily, …';
comment on column analytics.granularities.position    is 'From the shortest step to the longest.';
comment on column analytics.granularities.step        is 'How long a step is; of business days, a day.';
comment on column analytics.granularities.seconds     is 'Seconds of a step, or 0: then it has months, or is a weekday (neither).';
comment on column analytics.granularities.months      is 'Months of a step, or 0.';
comment on column analytics.granularities.dated       is 'Whether a step is a day or longer: its values carry 00:00 UTC of the local date on which it begins. Shorter steps carry the instant.';
comment on column analytics.granularities.mean_days   is 'The mean length of a step in days.';
comment on column analytics.granularities.cycle       is 'Steps over which totals are judged: a day of hours, a week of days.';
comment on column analytics.granularities.recent_days is 'Days that hold enough steps to judge what happens now.';
comment on column analytics.granularities.ended_days  is 'Days without any observation after which a series has ended.';
comment on column analytics.granularities.begins      is 'Which time a value carries: the beginning of its step, in words.';

insert into analytics.granularities
       (name, position, step, seconds, months, dated, mean_days, cycle, recent_days, ended_days, begins) values
    ('15min',          1, '15 minutes',    900,  0, false, 0.010416666666666666, 96,   28,  120, 'a full quarter of an hour by the clock of its time zone'),
    ('30min',          2, '30 minutes',   1800,  0, false, 0.020833333333333332, 48,   28,  120, 'a full or half hour by the clock of its time zone'),
    ('hourly',         3, '1 hour',       3600,  0, false, 0.041666666666666664, 24,   28,  120, 'a full hour by the clock of its time zone'),
    ('daily',          4, '1 day',       86400,  0, true,  1,                     7,   28,  120, '00:00 UTC of its local date'),
    ('business_daily', 5, '1 day',           0,  0, true,  1.4,                   5,   28,  120, '00:00 UTC of its local date, Monday to Friday'),
    ('weekly',         6, '7 days',     604800,  0, true,  7,                     4,   56,  400, '00:00 UTC of the local date on which its week begins, always the same weekday'),
    ('monthly',        7, '1 month',         0,  1, true,  30.4375,              12,  240, 1900, '00:00 UTC of the first day of its month'),
    ('quarterly',      8, '3 months',        0,  3, true,  91.3125,               4,  720, 1900, '00:00 UTC of the first day of its quarter'),
    ('yearly',         9, '1 year',          0, 12, true,  365.25,                2, 2920, 5478, '00:00 UTC of the first day of its year');

-- a table and no enum: a user adds rows
create table analytics.metric_types (
    name          text primary key check (name ~ '^[a-z][a-z0-9_]{1,62}$'),
    unit          text not null,
    aggregate     text not null check (aggregate in ('sum', 'mean', 'max', 'last')),
    min_value     double precision,
    max_value     double precision,
    seasons       text[]   not null default '{week,year}' check (seasons <@ '{day,week,month,year}' and array_position(seasons, null) is null),
    flat_after    int      not null default 3             check (flat_after between 2 and 20),
    jump_limit    real     not null default 8             check (jump_limit > 0),
    late_after    interval not null default '7 days'      check (late_after >= interval '0'),
    anomaly_limit real     not null default 5.5           check (anomaly_limit > 0),
    absence       text     not null default 'nothing'     check (absence in ('nothing', 'zero')),
    check (min_value < max_value)
);
comment on table analytics.metric_types is 'What can be measured. Add a row to measure something else.';
comment on column analytics.metric_types.name          is 'What is measured, as series and commands name it: collection_weight.';
comment on column analytics.metric_types.unit          is 'The unit of its values: kg, litres, minutes, …';
comment on column analytics.metric_types.aggregate     is 'How values add up to a day, a month or over series: sum, mean, max or last.';
comment on column analytics.metric_types.min_value     is 'The smallest value that is taken; empty when there is no limit.';
comment on column analytics.metric_types.max_value     is 'The largest value that is taken; empty when there is no limit.';
comment on column analytics.metric_types.seasons       is 'Seasons that this kind of measurement may have: any of day, week, month, year.';
comment on column analytics.metric_types.flat_after    is 'Equal values in a row from which on a series counts as a flat line, 2 to 20. Quality is 0 there.';
comment on column analytics.metric_types.jump_limit    is 'Robust standard deviations beyond which a value is a jump, or outside of the range of its past. Quality is halved there.';
comment on column analytics.metric_types.late_after    is 'What arrives later than this after the end of its period is stale. It lowers quality gently.';
comment on column analytics.metric_types.anomaly_limit is 'An anomaly_score (robust standard deviations from what was expected) above this makes is_anomaly true.';
comment on column analytics.metric_types.absence       is 'What a step without service means: zero, because what is counted or weighed did not come (collections, weight, fuel, revenue, activity); or nothing, because there was nothing of which a rate, level, duration or distance could be taken.';

insert into analytics.metric_types
       (name, unit, aggregate, min_value, max_value, seasons, flat_after, jump_limit, late_after, absence) values
    ('waste_volume',          'm3',      'sum',  0,    null, '{week,year}',       3, 8,  '7 days',  'zero'),
    ('collection_weight',     'kg',      'sum',  0,    null, '{week,year}',       3, 8,  '7 days',  'zero'),
    ('collection_count',      'count',   'sum',  0,    null, '{week,year}',       3, 8,  '7 days',  'zero'),
    ('missed_collections',    'count',   'sum',  0,    null, '{week,year}',       7, 12, '7 days',  'zero'),
    ('container_fill_level',  'percent', 'last', 0,    100,  '{day,week}',        7, 12, '7 days',  'nothing'),  -- emptied at once
    ('contamination_rate',    'percent', 'mean', 0,    100,  '{week,year}',       3, 8,  '7 days',  'nothing'),
    ('route_duration',        'minutes', 'sum',  0,    null, '{day,week,year}',   3, 8,  '7 days',  'nothing'),
    ('route_distance',        'km',      'sum',  0,    null, '{week,year}',       3, 8,  '7 days',  'nothing'),
    ('route_efficiency',      'percent', 'mean', 0,    null, '{week,year}',       3, 8,  '7 days',  'nothing'),
    ('fuel_consumption',      'litres',  'sum',  0,    null, '{week,month,year}', 3, 8,  '7 days',  'zero'),
    ('vehicle_utilization',   'percent', 'mean', 0,    100,  '{week}',            3, 8,  '7 days',  'nothing'),
    ('driver_efficiency',     'percent', 'mean', 0,    null, '{week}',            3, 8,  '7 days',  'nothing'),
    ('service_delay',         'minutes', 'mean', null, null, '{day,week}',        3, 8,  '7 days',  'nothing'),
    ('customer_activity',     'count',   'sum',  0,    null, '{day,week,year}',   3, 8,  '7 days',  'zero'),
    ('customer_satisfaction', 'score',   'mean', 0,    10,   '{week,year}',       7, 8,  '30 days', 'nothing'),
    ('revenue',               'money',   'sum',  null, null, '{week,month,year}', 3, 8,  '30 days', 'zero');
