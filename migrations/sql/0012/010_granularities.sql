-- What a granularity is, said once: the table of src/mlops/domain/granularity.py as SQL reads it.

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
comment on table  analytics.granularities is 'The granularities that a series may have. They come with a release: a test compares this table with the one of the library.';
comment on column analytics.granularities.position    is 'From the shortest step to the longest.';
comment on column analytics.granularities.step        is 'How long a step is; of business days, a day.';
comment on column analytics.granularities.seconds     is 'Seconds of a step, or 0: then it has months, or is a weekday (neither).';
comment on column analytics.granularities.dated       is 'Whether a step is a day or longer: its values carry 00:00 UTC of the local date on which it begins. Shorter steps carry the instant.';
comment on column analytics.granularities.mean_days   is 'The mean length of a step in days.';
comment on column analytics.granularities.cycle       is 'Steps over which totals are judged: a day of hours, a week of days.';
comment on column analytics.granularities.recent_days is 'Days that hold enough steps to judge what happens now.';
comment on column analytics.granularities.ended_days  is 'Days without any observation after which a series has ended.';
comment on column analytics.granularities.begins      is 'Which time a value carries: the beginning of its step, in words.';
insert into analytics.granularities (name, position, step, seconds, months, dated, mean_days, cycle, recent_days, ended_days, begins) values
    ('15min',          1, '15 minutes',    900,  0, false, 0.010416666666666666, 96,   28,  120, 'a full quarter of an hour by the clock of its time zone'),
    ('30min',          2, '30 minutes',   1800,  0, false, 0.020833333333333332, 48,   28,  120, 'a full or half hour by the clock of its time zone'),
    ('hourly',         3, '1 hour',       3600,  0, false, 0.041666666666666664, 24,   28,  120, 'a full hour by the clock of its time zone'),
    ('daily',          4, '1 day',       86400,  0, true,  1,                     7,   28,  120, '00:00 UTC of its local date'),
    ('business_daily', 5, '1 day',           0,  0, true,  1.4,                   5,   28,  120, '00:00 UTC of its local date, Monday to Friday'),
    ('weekly',         6, '7 days',     604800,  0, true,  7,                     4,   56,  400, '00:00 UTC of the local date on which its week begins, always the same weekday'),
    ('monthly',        7, '1 month',         0,  1, true,  30.4375,              12,  240, 1900, '00:00 UTC of the first day of its month'),
    ('quarterly',      8, '3 months',        0,  3, true,  91.3125,               4,  720, 1900, '00:00 UTC of the first day of its quarter'),
    ('yearly',         9, '1 year',          0, 12, true,  365.25,                2, 2920, 5478, '00:00 UTC of the first day of its year');

alter table analytics.series
    drop constraint series_granularity_check,
    add constraint series_granularity_fkey foreign key (granularity) references analytics.granularities (name);
