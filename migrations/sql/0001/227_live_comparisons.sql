-- How challengers do beside a champion, on what it was asked: the running verdict of each week.

create table analytics.live_comparisons (
    champion_id     bigint           not null references analytics.model_versions,
    challenger_id   bigint           not null references analytics.model_versions check (challenger_id <> champion_id),
    week            date             not null check (extract(isodow from week) = 1),
    as_of           timestamptz      not null,
    verdict         text             not null check (verdict in ('better', 'worse', 'undecided')),
    gain            double precision not null,
    gain_low        double precision check (gain_low <= gain),
    gain_high       double precision check (gain_high >= gain),
    confidence      double precision not null check (confidence > 0 and confidence < 1),
    wape_challenger double precision not null check (wape_challenger >= 0),
    wape_champion   double precision not null check (wape_champion >= 0),
    weeks           int              not null check (weeks > 0),
    pairs           int              not null check (pairs >= weeks),
    series          int              not null check (series > 0),
    compared_from   timestamptz      not null,
    compared_until  timestamptz      not null check (compared_until > compared_from and compared_until <= as_of),
    decided_at      timestamptz      check (decided_at <= compared_until),
    weeks_to_go     int              check (weeks_to_go >= 0),
    created_at      timestamptz      not null default clock_timestamp(),
    primary key (champion_id, challenger_id, week),
    constraint live_comparisons_interval_check check ((gain_low is null) = (gain_high is null)),
    constraint live_comparisons_proof_check check (coalesce(case verdict when 'better' then gain_low > 0 when 'worse' then gain_high < 0 else true end, false))
);
create index live_comparisons_by_challenger on analytics.live_comparisons (challenger_id);
comment on table analytics.live_comparisons is 'One row for each champion, challenger and week in which they were compared: by the errors of both on the same forecasts since the first that both made. The interval holds at all weeks together, so it may be looked at as often as one likes.';
comment on column analytics.live_comparisons.champion_id     is 'The version that was served, of analytics.model_versions.';
comment on column analytics.live_comparisons.challenger_id   is 'The version that answered beside it, of analytics.model_versions.';
comment on column analytics.live_comparisons.week            is 'The Monday of the week of as_of; a later comparison of the same week replaces the row.';
comment on column analytics.live_comparisons.as_of           is 'Only outcomes that were recorded by then are counted.';
comment on column analytics.live_comparisons.verdict         is 'better or worse: the challenger, beyond chance; undecided: no difference is proven yet.';
comment on column analytics.live_comparisons.gain            is 'By how much the challenger''s WAPE is lower than the champion''s, as the mean of the weeks; below zero it is higher.';
comment on column analytics.live_comparisons.gain_low        is 'Lower end of the interval of gain; empty while there are too few weeks.';
comment on column analytics.live_comparisons.gain_high       is 'Upper end of the interval of gain; empty while there are too few weeks.';
comment on column analytics.live_comparisons.confidence      is 'The probability with which gain is inside of its interval in every week: that of the policy, stricter where several challengers are compared at once.';
comment on column analytics.live_comparisons.wape_challenger is 'The challenger''s sum of absolute errors over the sum of absolute outcomes, of all pairs.';
comment on column analytics.live_comparisons.wape_champion   is 'The same of the champion.';
comment on column analytics.live_comparisons.weeks           is 'How many weeks are compared; steps, where a step is longer than a week.';
comment on column analytics.live_comparisons.pairs           is 'How many forecasts of both have an outcome: the freshest pair of each series and time counts.';
comment on column analytics.live_comparisons.series          is 'Of how many series.';
comment on column analytics.live_comparisons.compared_from   is 'The beginning of the first week that is compared.';
comment on column analytics.live_comparisons.compared_until  is 'The end of the newest week that is compared.';
comment on column analytics.live_comparisons.decided_at      is 'The end of the first week after which the interval did not hold zero; empty until then. It stays when later weeks contradict.';
comment on column analytics.live_comparisons.weeks_to_go     is 'How many more weeks it takes to decide if they are like those so far; 0 when it is decided, empty for more than two years.';
comment on column analytics.live_comparisons.created_at      is 'When the row was stored.';
