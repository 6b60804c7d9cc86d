-- What every table, view, column and function says of itself that did not yet: in psql by \d+ and \df+, in tools that read comments.

comment on schema analytics                      is 'What an analyst reads and what mlops keeps: observations, forecasts, models and what monitoring found. Views first: forecasts, arrivals, decisions, calendar, time_series, and the function values_as_of. Instants are timestamptz; what means a day is a date, by the clock of the series.';
comment on sequence analytics.prediction_id      is 'Gives analytics.model_prediction_results.prediction_id.';
comment on sequence analytics.edit_id            is 'Gives analytics.observation_edits.edit_id.';
comment on function analytics.change_aggregate() is 'Gives every day of a metric type whose aggregate changes its other value, and marks the months above them; no observation is read.';
comment on table analytics.evidently_snapshots   is 'The Evidently snapshot of each weekly check, as Evidently''s own workspace takes it.';
comment on table analytics.schema_version        is 'Which migration this schema is at; one row, written by mlops db upgrade.';

comment on column analytics.alert_deliveries.alert_id    is 'Of analytics.alerts.';
comment on column analytics.alert_deliveries.attempts    is 'How often it was tried to be sent.';
comment on column analytics.alert_deliveries.channel     is 'The channel''s name in monitoring/policy.toml.';
comment on column analytics.alert_deliveries.delivery_id is 'Numbers the messages in the order in which they were queued.';
comment on column analytics.alert_deliveries.queued_at   is 'When the message was made, before it was tried.';

comment on column analytics.alerts.alert_id   is 'Numbers the alerts.';
comment on column analytics.alerts.details    is 'Figures behind the message, as JSON; which there are depends on kind.';
comment on column analytics.alerts.kind       is 'What sort of thing it is, for rules and dashboards: champion_removed, drift, …';
comment on column analytics.alerts.message    is 'What was found, in a sentence.';
comment on column analytics.alerts.opened_at  is 'When it was first found (instant).';
comment on column analytics.alerts.owner      is 'Who is to look at it, by the owners in monitoring/policy.toml.';
comment on column analytics.alerts.severity   is 'warning, or critical where something that serves is wrong.';
comment on column analytics.alerts.version_id is 'The model version that it is about, of analytics.model_versions; empty of alerts about something else.';

comment on column analytics.alias_decisions.alias        is 'The alias: champion, challenger, or one of the user''s own.';
comment on column analytics.alias_decisions.model_id     is 'Of analytics.registered_models.';
comment on column analytics.alias_decisions.promotion_id is 'The decision behind the stretch, of analytics.promotions; empty where nobody decided here.';
comment on column analytics.alias_decisions.valid_from   is 'When the alias was first seen to point to the version (instant).';
comment on column analytics.alias_decisions.valid_to     is 'Until when it did; empty while it does.';
comment on column analytics.alias_decisions.version_id   is 'Of analytics.model_versions.';

comment on column analytics.archived_months.archive_id  is 'Of analytics.partition_archives.';
comment on column analytics.archived_months.archived_at is 'When the file was written.';
comment on column analytics.archived_months.digest      is 'SHA-256 over the rows that it holds, whatever their order.';
comment on column analytics.archived_months.dropped_at  is 'When the month left the database.';
comment on column analytics.archived_months.lower_bound is 'The month begins here (UTC).';
comment on column analytics.archived_months.parent      is 'The table that the month is of.';
comment on column analytics.archived_months.partition   is 'The name of the partition that it was.';
comment on column analytics.archived_months.path        is 'Where the Parquet file is, on the machine that runs mlops.';
comment on column analytics.archived_months.problem     is 'What was wrong with the file when it was last verified; empty when nothing was.';
comment on column analytics.archived_months.rows        is 'How many rows it holds.';
comment on column analytics.archived_months.sha256      is 'SHA-256 of the file.';
comment on column analytics.archived_months.upper_bound is 'The month ends before this time (UTC).';
comment on column analytics.archived_months.verified_at is 'When the file was last compared with its checksum; empty before the first time.';

comment on column analytics.customer_behavior_aggregates.anomalies    is 'How many observations of the month are marked as anomalies.';
comment on column analytics.customer_behavior_aggregates.customer_id  is 'The customer, as observations name it.';
comment on column analytics.customer_behavior_aggregates.metric_type  is 'What is measured, of analytics.metric_types, which says the unit.';
comment on column analytics.customer_behavior_aggregates.month        is 'The local month, by its first day.';
comment on column analytics.customer_behavior_aggregates.tenant_id    is 'The tenant; 1 where there is one only.';
comment on column analytics.customer_behavior_aggregates.day_max      is 'The largest day of the month, in the unit of the metric type; empty in a silent month.';
comment on column analytics.customer_behavior_aggregates.day_min      is 'The smallest day of the month that has an observation, in the unit of the metric type; empty in a silent month.';
comment on column analytics.customer_behavior_aggregates.last_day     is 'The newest local day of the month with an observation; empty in a silent month.';
comment on column analytics.customer_behavior_aggregates.observations is 'How many observations count; 0 in a silent month.';
comment on column analytics.customer_behavior_aggregates.quality      is 'Mean quality score of the observations that have one, from 0 to 1; empty in a silent month.';
comment on column analytics.customer_behavior_aggregates.refreshed_at is 'When the row was last made (instant); of a silent month, when the one before it was.';

comment on column analytics.customer_behavior_summary.anomalies          is 'How many observations are marked as anomalies, of all time.';
comment on column analytics.customer_behavior_summary.customer_id        is 'The customer, as observations name it.';
comment on column analytics.customer_behavior_summary.days               is 'On how many days there was an observation, of all time.';
comment on column analytics.customer_behavior_summary.first_month        is 'The first month with an observation, by its first day.';
comment on column analytics.customer_behavior_summary.last_day           is 'The newest local day with an observation.';
comment on column analytics.customer_behavior_summary.last_month         is 'The newest month with an observation, by its first day.';
comment on column analytics.customer_behavior_summary.metric_type        is 'What is measured, of analytics.metric_types.';
comment on column analytics.customer_behavior_summary.months             is 'In how many months there was an observation.';
comment on column analytics.customer_behavior_summary.name               is 'The customer''s name, from analytics.customers.';
comment on column analytics.customer_behavior_summary.observations       is 'How many observations there are, of all time.';
comment on column analytics.customer_behavior_summary.segment            is 'The customer''s segment, from analytics.customers.';
comment on column analytics.customer_behavior_summary.tenant_id          is 'The tenant; 1 where there is one only.';
comment on column analytics.customer_behavior_summary.unit               is 'The unit of every value in the row.';
comment on column analytics.customer_behavior_summary.year_day_max       is 'The largest day of the year.';
comment on column analytics.customer_behavior_summary.year_day_min       is 'The smallest day of the year that has an observation.';
comment on column analytics.customer_behavior_summary.year_days          is 'Days of the year with an observation.';
comment on column analytics.customer_behavior_summary.year_expected_days is 'On how many days of the year an observation was to be expected; see customer_behavior_aggregates.expected_days.';

comment on column analytics.customers.active_from is 'The first day on which the customer is served; empty when nobody said.';
comment on column analytics.customers.active_to   is 'The last day on which the customer is served; empty while it is.';
comment on column analytics.customers.attributes  is 'Anything else that the user knows of the customer, as a JSON object.';
comment on column analytics.customers.created_at  is 'When the row was added.';
comment on column analytics.customers.customer_id is 'The customer, as observations name it.';
comment on column analytics.customers.name        is 'What people call the customer: as a user wrote it, else by the labels of its series (customer_name, or name of a series that is the customer''s own), which a refresh fills in.';
comment on column analytics.customers.segment     is 'A group of customers, such as restaurant: as a user wrote it, else by the labels of its series (customer_segment or segment), which a refresh fills in.';
comment on column analytics.customers.tenant_id   is 'The tenant; 1 where there is one only.';

comment on column analytics.daily_metrics_summary.day          is 'The local date, by the clock of the series.';
comment on column analytics.daily_metrics_summary.observations is 'How many observations the day has.';
comment on column analytics.daily_metrics_summary.refreshed_at is 'When the row was last made (instant).';
comment on column analytics.daily_metrics_summary.series_id    is 'Of analytics.series.';
comment on column analytics.daily_metrics_summary.value_max    is 'The largest value of the day.';
comment on column analytics.daily_metrics_summary.value_mean   is 'The mean of the day''s values.';
comment on column analytics.daily_metrics_summary.value_min    is 'The smallest value of the day.';

comment on column analytics.dirty_days.first_day is 'The first local day to be made anew; -infinity means from the beginning.';
comment on column analytics.dirty_days.last_day  is 'The last local day to be made anew; infinity means to the end.';
comment on column analytics.dirty_days.mark_id   is 'Numbers the marks.';
comment on column analytics.dirty_days.marked_at is 'When the mark was made.';
comment on column analytics.dirty_days.series_id is 'The series whose days changed, of analytics.series.';

comment on column analytics.dirty_entities.dimension   is 'What the entity is: customer, route, vehicle, driver or site.';
comment on column analytics.dirty_entities.entity_id   is 'The entity whose month changed, as observations name it.';
comment on column analytics.dirty_entities.metric_type is 'What is measured, of analytics.metric_types.';
comment on column analytics.dirty_entities.month       is 'The local month that changed, by its first day.';
comment on column analytics.dirty_entities.tenant_id   is 'The tenant; 1 where there is one only.';

comment on column analytics.dirty_months.month     is 'A local month that changed, by its first day.';
comment on column analytics.dirty_months.series_id is 'The series whose month changed, of analytics.series.';

comment on column analytics.dirty_sources.marked_at is 'When the table changed.';
comment on column analytics.dirty_sources.source    is 'The name of the table, without its schema.';

comment on column analytics.drivers.active_from is 'The first day on which the driver works here; empty when nobody said.';
comment on column analytics.drivers.active_to   is 'The last day on which the driver works here; empty while that goes on.';
comment on column analytics.drivers.attributes  is 'Anything else that the user knows of the driver, as a JSON object.';
comment on column analytics.drivers.created_at  is 'When the row was added.';
comment on column analytics.drivers.depot       is 'Where the driver begins, in the user''s words.';
comment on column analytics.drivers.driver_id   is 'The driver, as observations name it.';
comment on column analytics.drivers.name        is 'What people call the driver, as a user wrote it.';
comment on column analytics.drivers.tenant_id   is 'The tenant; 1 where there is one only.';

comment on column analytics.entity_months.anomalies    is 'How many observations of the month are marked as anomalies.';
comment on column analytics.entity_months.day_max      is 'The largest day of the month, in the unit of the metric type; empty in a silent month.';
comment on column analytics.entity_months.day_min      is 'The smallest day of the month that has an observation, in the unit of the metric type; empty in a silent month.';
comment on column analytics.entity_months.dimension    is 'What entity_id is: customer, route, vehicle, driver or site.';
comment on column analytics.entity_months.entity_id    is 'The customer, route, vehicle, driver or site, as observations name it.';
comment on column analytics.entity_months.last_day     is 'The newest local day of the month with an observation; empty in a silent month.';
comment on column analytics.entity_months.metric_type  is 'What is measured, of analytics.metric_types, which says the unit.';
comment on column analytics.entity_months.month        is 'The local month, by its first day.';
comment on column analytics.entity_months.observations is 'How many observations count; 0 in a silent month.';
comment on column analytics.entity_months.quality      is 'Mean quality score of the observations that have one, from 0 to 1; empty in a silent month.';
comment on column analytics.entity_months.refreshed_at is 'When the row was last made (instant); of a silent month, when the one before it was.';
comment on column analytics.entity_months.tenant_id    is 'The tenant; 1 where there is one only.';

comment on column analytics.evidently_snapshots.as_of      is 'The check judged what was known by then.';
comment on column analytics.evidently_snapshots.created_at is 'When the snapshot was stored.';
comment on column analytics.evidently_snapshots.snapshot   is 'Evidently''s JSON: the report with its figures.';
comment on column analytics.evidently_snapshots.version_id is 'The judged version, of analytics.model_versions.';

comment on column analytics.feature_builds.build_id     is 'Numbers the builds; the partition of analytics.offline_features that holds the rows.';
comment on column analytics.feature_builds.built_at     is 'When the rows were written.';
comment on column analytics.feature_builds.feature_set  is 'The set''s name.';
comment on column analytics.feature_builds.first_at     is 'The earliest step in the rows.';
comment on column analytics.feature_builds.last_at      is 'The newest step in the rows.';
comment on column analytics.feature_builds.rows         is 'How many rows were written.';
comment on column analytics.feature_builds.selection    is 'Which series: metric_type, granularity, labels.';
comment on column analytics.feature_builds.series       is 'How many series have rows.';
comment on column analytics.feature_builds.window_start is 'The first time that was wanted; empty when all were.';

comment on column analytics.feature_importance.champion        is 'Whether the alias champion points to the version now.';
comment on column analytics.feature_importance.feature         is 'The feature''s name.';
comment on column analytics.feature_importance.feature_id      is 'Of analytics.model_feature_store.';
comment on column analytics.feature_importance.feature_version is 'The version of the feature''s definition.';
comment on column analytics.feature_importance.model           is 'The registered model''s name now.';
comment on column analytics.feature_importance.model_version   is 'The number of the model version.';
comment on column analytics.feature_importance.version_id      is 'Of analytics.model_versions.';

comment on column analytics.feature_profiles.created_at   is 'When the profile was stored.';
comment on column analytics.feature_profiles.feature_id   is 'Of analytics.model_feature_store.';
comment on column analytics.feature_profiles.series       is 'How many series were looked at.';
comment on column analytics.feature_profiles.window_start is 'The first time of the window.';

comment on column analytics.feature_usage_summary.champion_models     is 'The names of the models whose champion uses it.';
comment on column analytics.feature_usage_summary.entity              is 'What a row of the feature is about: a series.';
comment on column analytics.feature_usage_summary.feature_id          is 'Of analytics.model_feature_store.';
comment on column analytics.feature_usage_summary.granularity         is 'The step for which it is computed.';
comment on column analytics.feature_usage_summary.importance_largest  is 'The largest share of the total gain that a live version states, from 0 to 1.';
comment on column analytics.feature_usage_summary.last_trained_at     is 'When the newest version that uses it was registered.';
comment on column analytics.feature_usage_summary.live_versions       is 'Model versions that use it and that the registry still has.';
comment on column analytics.feature_usage_summary.models              is 'The names of the models of which a live version uses it.';
comment on column analytics.feature_usage_summary.name                is 'The feature''s name.';
comment on column analytics.feature_usage_summary.owner               is 'Who answers for its definition.';
comment on column analytics.feature_usage_summary.source_metric_types is 'The metric types that it is computed from.';
comment on column analytics.feature_usage_summary.transformation      is 'How it is computed: lag, rolling mean, calendar, …';
comment on column analytics.feature_usage_summary.version             is 'The version of the feature''s definition.';

comment on column analytics.first_ingests.series_id  is 'Of analytics.series.';
comment on column analytics.first_ingests.sha256     is 'SHA-256 of the file.';
comment on column analytics.first_ingests.started_at is 'When the file was first begun.';

comment on column analytics.granularities.months is 'Months of a step, or 0.';
comment on column analytics.granularities.name   is 'The name that series and commands use: hourly, daily, …';

comment on column analytics.health_policy.part     is 'The part of the health: accuracy, coverage, naive, drift, …';
comment on column analytics.health_policy.position is 'The order in which parts are told.';

comment on column analytics.ingest_batches.adapter     is 'By which format the file was read.';
comment on column analytics.ingest_batches.batch_id    is 'Numbers the files in the order in which they were done.';
comment on column analytics.ingest_batches.corrected   is 'Rows that took the place of another value, which is in analytics.time_series_revisions.';
comment on column analytics.ingest_batches.finished_at is 'When the file was done, by the clock of the server.';
comment on column analytics.ingest_batches.inserted    is 'Rows that are new.';
comment on column analytics.ingest_batches.read        is 'Rows in the file.';
comment on column analytics.ingest_batches.refused     is 'Rows that could not be taken; see analytics.refused_rows by sha256.';
comment on column analytics.ingest_batches.sha256      is 'SHA-256 of the file.';
comment on column analytics.ingest_batches.source      is 'The file''s path, as it was given.';
comment on column analytics.ingest_batches.started_at  is 'When reading began, by the clock of the machine that ran mlops.';
comment on column analytics.ingest_batches.status      is 'stored; partly stored (refused rows were left out); refused (nothing of it is stored).';
comment on column analytics.ingest_batches.unchanged   is 'Rows that were stored already, with the same values.';

comment on column analytics.ingest_progress.backdated_until is 'The end of the newest step of those (instant).';
comment on column analytics.ingest_progress.corrected       is 'Rows of the batch that took the place of another value.';
comment on column analytics.ingest_progress.inserted        is 'Rows of the batch that are new.';
comment on column analytics.ingest_progress.part_sha256     is 'SHA-256 of the batch''s rows, by which it is recognised.';
comment on column analytics.ingest_progress.sha256          is 'SHA-256 of the file.';
comment on column analytics.ingest_progress.stored_at       is 'When the batch was stored.';

comment on column analytics.metric_types.aggregate is 'How values add up to a day, a month or over series: sum, mean, max or last.';
comment on column analytics.metric_types.max_value is 'The largest value that is taken; empty when there is no limit.';
comment on column analytics.metric_types.min_value is 'The smallest value that is taken; empty when there is no limit.';
comment on column analytics.metric_types.name      is 'What is measured, as series and commands name it: collection_weight.';
comment on column analytics.metric_types.unit      is 'The unit of its values: kg, litres, minutes, …';

comment on column analytics.model_accuracy.alias       is 'The alias that points to the version now.';
comment on column analytics.model_accuracy.coverage_80 is 'Share of outcomes inside the 80 % interval, from 0 to 1.';
comment on column analytics.model_accuracy.coverage_95 is 'Share of outcomes inside the 95 % interval, from 0 to 1.';
comment on column analytics.model_accuracy.days        is 'Over how many days up to now: 7, or the recent days of the granularity.';
comment on column analytics.model_accuracy.forecasts   is 'How many forecasts with an outcome were judged.';
comment on column analytics.model_accuracy.name        is 'The registered model''s name.';
comment on column analytics.model_accuracy.version     is 'The number of the model version.';
comment on column analytics.model_accuracy.version_id  is 'Of analytics.model_versions.';
comment on column analytics.model_accuracy.wape        is 'Sum of |error| / sum of |outcome|: 0.1 is 10 %.';
comment on column analytics.model_accuracy.wape_naive  is 'The same of the seasonal naive from the same cutoffs, over the outcomes for which it is known.';

comment on column analytics.model_accuracy_summary.coverage_95     is 'Share of outcomes inside the 95 % interval, of all forecasts so many steps ahead.';
comment on column analytics.model_accuracy_summary.forecasts       is 'How many forecasts with an outcome were judged.';
comment on column analytics.model_accuracy_summary.forecasts_naive is 'How many of them the seasonal naive could be told for.';
comment on column analytics.model_accuracy_summary.kind            is 'The kind of the model: auto, lean, naive, …';
comment on column analytics.model_accuracy_summary.name            is 'The registered model''s name.';
comment on column analytics.model_accuracy_summary.version         is 'The number of the model version.';
comment on column analytics.model_accuracy_summary.version_id      is 'Of analytics.model_versions.';
comment on column analytics.model_accuracy_summary.week            is 'The local week of the target, by its Monday.';

comment on column analytics.model_aliases.alias      is 'The alias: champion, challenger, or one of the user''s own.';
comment on column analytics.model_aliases.model_id   is 'Of analytics.registered_models.';
comment on column analytics.model_aliases.valid_from is 'When the alias was first seen to point to the version (instant).';
comment on column analytics.model_aliases.valid_to   is 'Until when it did; empty while it does.';
comment on column analytics.model_aliases.version_id is 'Of analytics.model_versions.';

comment on column analytics.model_anchors.anchored_at is 'When it was recorded (instant).';
comment on column analytics.model_anchors.tags        is 'Tags of the version, by name.';
comment on column analytics.model_anchors.version_id  is 'Of analytics.model_versions.';

comment on column analytics.model_checks.as_of      is 'The check judged what was known by then.';
comment on column analytics.model_checks.checked_at is 'When the check was made.';
comment on column analytics.model_checks.version_id is 'The judged version, of analytics.model_versions.';

comment on column analytics.model_feature_store.created_at          is 'When this version of the definition was first seen.';
comment on column analytics.model_feature_store.definition          is 'The whole definition, as JSON.';
comment on column analytics.model_feature_store.definition_sha256   is 'SHA-256 of the definition: the same is the same version.';
comment on column analytics.model_feature_store.description         is 'What the feature says, in a sentence.';
comment on column analytics.model_feature_store.dtype               is 'The type of its values.';
comment on column analytics.model_feature_store.entity              is 'What a row of the feature is about: a series.';
comment on column analytics.model_feature_store.feature_id          is 'Numbers the versions of all features.';
comment on column analytics.model_feature_store.granularity         is 'The step for which it is computed.';
comment on column analytics.model_feature_store.name                is 'The feature''s name.';
comment on column analytics.model_feature_store.owner               is 'Who answers for its definition.';
comment on column analytics.model_feature_store.source_metric_types is 'The metric types that it is computed from.';
comment on column analytics.model_feature_store.transformation      is 'How it is computed: lag, rolling mean, calendar, …';
comment on column analytics.model_feature_store.version             is 'Counts the definitions of the name, from 1.';

comment on column analytics.model_health.alias            is 'The alias by which it is served: champion before challenger.';
comment on column analytics.model_health.alias_since      is 'Since when that alias points to it (instant).';
comment on column analytics.model_health.as_of            is 'The health is that of this time: now.';
comment on column analytics.model_health.checked_at       is 'The time that its newest weekly check judged by.';
comment on column analytics.model_health.coverage_80      is 'Share of the recent outcomes inside the 80 % interval, from 0 to 1.';
comment on column analytics.model_health.forecast_until   is 'The newest step that it has a forecast for.';
comment on column analytics.model_health.forecasts        is 'How many forecasts there are for the recent days.';
comment on column analytics.model_health.labelled         is 'How many of them have an outcome.';
comment on column analytics.model_health.labelled_until   is 'The newest of these steps with an outcome.';
comment on column analytics.model_health.model_id         is 'Of analytics.registered_models.';
comment on column analytics.model_health.name             is 'The registered model''s name.';
comment on column analytics.model_health.parts            is 'One object per part: part, figure, value, weight, words; analytics.model_health_parts has them as rows.';
comment on column analytics.model_health.score            is 'From 0 (unwell) to 100; empty when its decisive part can''t be told.';
comment on column analytics.model_health.status           is 'What the score means, in a word.';
comment on column analytics.model_health.step             is 'How long a step of its series is.';
comment on column analytics.model_health.unlabelled_since is 'The first of these steps with a forecast that has no outcome.';
comment on column analytics.model_health.version          is 'The number of the model version.';
comment on column analytics.model_health.version_id       is 'Of analytics.model_versions.';
comment on column analytics.model_health.wape             is 'Sum of |error| / sum of |outcome| of the recent days: 0.1 is 10 %.';
comment on column analytics.model_health.wape_promised    is 'The WAPE of its backtest.';
comment on column analytics.model_health.weakest          is 'The part that costs most of the score.';
comment on column analytics.model_health.weakest_words    is 'That part in a sentence.';

comment on column analytics.model_health_parts.alias      is 'The alias by which it is served.';
comment on column analytics.model_health_parts.figure     is 'What was measured; its unit depends on the part, and words say it.';
comment on column analytics.model_health_parts.model_id   is 'Of analytics.registered_models.';
comment on column analytics.model_health_parts.name       is 'The registered model''s name.';
comment on column analytics.model_health_parts.part       is 'The part of the health, of analytics.health_policy.';
comment on column analytics.model_health_parts.value      is 'What the figure is worth, from 0 to 1.';
comment on column analytics.model_health_parts.version    is 'The number of the model version.';
comment on column analytics.model_health_parts.version_id is 'Of analytics.model_versions.';
comment on column analytics.model_health_parts.weight     is 'Its share of the score, beside the other weights.';
comment on column analytics.model_health_parts.words      is 'The figure in a sentence.';

comment on column analytics.model_performance_tracking.as_of        is 'The check judged what was known by then.';
comment on column analytics.model_performance_tracking.created_at   is 'When the finding was stored.';
comment on column analytics.model_performance_tracking.detail       is 'What was found, in a sentence.';
comment on column analytics.model_performance_tracking.drifted      is 'Whether the statistic is beyond its limit.';
comment on column analytics.model_performance_tracking.finding_id   is 'Numbers the findings.';
comment on column analytics.model_performance_tracking.statistic    is 'The statistic; above threshold is drift. Empty where none could be computed.';
comment on column analytics.model_performance_tracking.subject      is 'What was compared: a feature, an error, the data of a series, …';
comment on column analytics.model_performance_tracking.threshold    is 'The limit of the statistic, from the model''s own backtest.';
comment on column analytics.model_performance_tracking.version_id   is 'The judged version, of analytics.model_versions.';
comment on column analytics.model_performance_tracking.window_end   is 'The judged window lasts until before this time.';
comment on column analytics.model_performance_tracking.window_start is 'The first time of the judged window.';

comment on column analytics.model_prediction_results.business_context    is 'What a caller wrote beside the forecast, as JSON; mlops itself leaves it empty.';
comment on column analytics.model_prediction_results.created_at          is 'When the row was stored; issued_at says what the forecast knew.';
comment on column analytics.model_prediction_results.cutoff              is 'The newest step that the forecast could know; horizon counts from there.';
comment on column analytics.model_prediction_results.decomposition       is 'The components of y_hat as JSON, in its unit: trend, seasonality, holidays, …; they add up to it. Empty when none were asked for.';
comment on column analytics.model_prediction_results.error               is 'y_hat - outcome: above 0 the forecast was too high.';
comment on column analytics.model_prediction_results.execution_ms        is 'How long the call that made it took, in ms, for all of its forecasts.';
comment on column analytics.model_prediction_results.feedback            is 'What a person said about the forecast, as JSON; mlops itself leaves it empty.';
comment on column analytics.model_prediction_results.hi_80               is 'Upper bound of the 80 % interval.';
comment on column analytics.model_prediction_results.hi_95               is 'Upper bound of the 95 % interval.';
comment on column analytics.model_prediction_results.horizon             is 'How many steps after the cutoff; steps in which the series is closed count, too.';
comment on column analytics.model_prediction_results.lo_80               is 'Lower bound of the 80 % interval.';
comment on column analytics.model_prediction_results.lo_95               is 'Lower bound of the 95 % interval.';
comment on column analytics.model_prediction_results.matched_at          is 'As of when the outcome was written here; empty while it is not known.';
comment on column analytics.model_prediction_results.memory_mb           is 'Peak memory of the process that made it, in MiB.';
comment on column analytics.model_prediction_results.outcome             is 'What really happened, as last matched; empty until it is known.';
comment on column analytics.model_prediction_results.outcome_recorded_at is 'When the outcome became known.';
comment on column analytics.model_prediction_results.prediction_id       is 'Numbers the forecasts; mlops registry trace takes it.';
comment on column analytics.model_prediction_results.request_id          is 'The call that made it; the same of all its forecasts.';
comment on column analytics.model_prediction_results.target_at           is 'The step that is forecast, by the time at which it begins: an instant, or of steps of a day or longer 00:00 UTC of the local date.';
comment on column analytics.model_prediction_results.y_hat               is 'The forecast, in the unit of the metric type.';

comment on column analytics.model_version_features.feature_id is 'Of analytics.model_feature_store.';
comment on column analytics.model_version_features.importance is 'Share of the total gain, from 0 to 1; empty when the model states none.';
comment on column analytics.model_version_features.version_id is 'Of analytics.model_versions.';

comment on column analytics.model_versions.created_at      is 'When the registry says that it was registered.';
comment on column analytics.model_versions.description     is 'The description in the registry.';
comment on column analytics.model_versions.experiment      is 'The name of the experiment of its run.';
comment on column analytics.model_versions.kind            is 'The kind of the model: auto, lean, naive, …; empty of models that say none.';
comment on column analytics.model_versions.lineage_problem is 'Why the lineage is not complete; empty when it is.';
comment on column analytics.model_versions.lineage_sha256  is 'SHA-256 of the document in lineage.';
comment on column analytics.model_versions.model_id        is 'Of analytics.registered_models.';
comment on column analytics.model_versions.run_began_at    is 'When the run began; empty where there is none.';
comment on column analytics.model_versions.run_id          is 'MLflow''s id of the run; empty when it was registered without one.';
comment on column analytics.model_versions.run_name        is 'The name of the run.';
comment on column analytics.model_versions.run_tags        is 'Tags of the run, as JSON.';
comment on column analytics.model_versions.run_user        is 'Who ran it, as MLflow says.';
comment on column analytics.model_versions.seen_at         is 'When something about it last changed here.';
comment on column analytics.model_versions.source          is 'Where MLflow keeps its files.';
comment on column analytics.model_versions.status          is 'MLflow''s status of the version: READY when it can be loaded.';
comment on column analytics.model_versions.tags            is 'Tags of the version, as JSON.';
comment on column analytics.model_versions.trained_from    is 'The first step of its training data.';
comment on column analytics.model_versions.trained_to      is 'The newest step of its training data.';
comment on column analytics.model_versions.version         is 'The number that MLflow gave it, from 1 within its model.';
comment on column analytics.model_versions.version_id      is 'Numbers the versions of all models; forecasts, checks and decisions name it.';

comment on column analytics.month_figures.anomalies    is 'How many observations of the month are marked as anomalies.';
comment on column analytics.month_figures.day_max      is 'The largest day of the month, in the unit of the metric type.';
comment on column analytics.month_figures.day_min      is 'The smallest day of the month that has an observation, in the unit of the metric type.';
comment on column analytics.month_figures.entity_id    is 'The customer, route, vehicle, driver or site, as observations name it.';
comment on column analytics.month_figures.last_day     is 'The newest local day of the month with an observation.';
comment on column analytics.month_figures.metric_type  is 'What is measured, of analytics.metric_types, which says the unit.';
comment on column analytics.month_figures.month        is 'The local month, by its first day.';
comment on column analytics.month_figures.quality      is 'Mean quality score of the observations that have one, from 0 to 1.';
comment on column analytics.month_figures.refreshed_at is 'When the row was last made (instant).';
comment on column analytics.month_figures.tenant_id    is 'The tenant; 1 where there is one only.';
comment on column analytics.month_figures.first_day    is 'The first local day of the month with an observation.';

comment on column analytics.observation_edits.action        is 'deleted, or redated: they count as known at another time.';
comment on column analytics.observation_edits.decided_at    is 'When it was done (instant).';
comment on column analytics.observation_edits.decided_by    is 'Who decided.';
comment on column analytics.observation_edits.edit_id       is 'The decision; the same of all its series.';
comment on column analytics.observation_edits.first_at      is 'The earliest step that was changed.';
comment on column analytics.observation_edits.last_at       is 'The newest step that was changed.';
comment on column analytics.observation_edits.reason        is 'Why, in the words of whoever decided.';
comment on column analytics.observation_edits.recorded_last is 'Until then they counted as known before; see recorded_first.';
comment on column analytics.observation_edits.series_id     is 'Of analytics.series; the series may be gone.';

comment on column analytics.offline_features.build_id    is 'Of analytics.feature_builds.';
comment on column analytics.offline_features.observed_at is 'The step that the values are for.';
comment on column analytics.offline_features.series_id   is 'Of analytics.series.';
comment on column analytics.offline_features.y           is 'The label of the set at that step.';

comment on column analytics.online_feature_sets.built_at    is 'When the values were last written.';
comment on column analytics.online_feature_sets.feature_set is 'The set''s name.';
comment on column analytics.online_feature_sets.features    is 'One object per feature, in the order of the stored arrays: name, version, definition_sha256.';
comment on column analytics.online_feature_sets.selection   is 'Which series: metric_type, granularity, labels.';

comment on column analytics.online_features.changed_at  is 'When the values last changed.';
comment on column analytics.online_features.feature_set is 'Of analytics.online_feature_sets.';
comment on column analytics.online_features.features    is 'The values in the order of online_feature_sets.features; NaN is what could not be told.';
comment on column analytics.online_features.series_id   is 'Of analytics.series.';

comment on column analytics.operational_metrics_aggregates.anomalies    is 'How many observations of the month are marked as anomalies.';
comment on column analytics.operational_metrics_aggregates.dimension    is 'What entity_id is: route, vehicle, driver or site.';
comment on column analytics.operational_metrics_aggregates.entity_id    is 'The route, vehicle, driver or site, as observations name it.';
comment on column analytics.operational_metrics_aggregates.metric_type  is 'What is measured, of analytics.metric_types, which says the unit.';
comment on column analytics.operational_metrics_aggregates.month        is 'The local month, by its first day.';
comment on column analytics.operational_metrics_aggregates.tenant_id    is 'The tenant; 1 where there is one only.';
comment on column analytics.operational_metrics_aggregates.day_max      is 'The largest day of the month, in the unit of the metric type; empty in a silent month.';
comment on column analytics.operational_metrics_aggregates.day_min      is 'The smallest day of the month that has an observation, in the unit of the metric type; empty in a silent month.';
comment on column analytics.operational_metrics_aggregates.last_day     is 'The newest local day of the month with an observation; empty in a silent month.';
comment on column analytics.operational_metrics_aggregates.observations is 'How many observations count; 0 in a silent month.';
comment on column analytics.operational_metrics_aggregates.quality      is 'Mean quality score of the observations that have one, from 0 to 1; empty in a silent month.';
comment on column analytics.operational_metrics_aggregates.refreshed_at is 'When the row was last made (instant); of a silent month, when the one before it was.';

comment on column analytics.partition_archives.archive_id     is 'Numbers the archives.';
comment on column analytics.partition_archives.archived_at    is 'When the file was written.';
comment on column analytics.partition_archives.bytes          is 'The size of the file.';
comment on column analytics.partition_archives.digest         is 'SHA-256 over the rows that it holds, whatever their order.';
comment on column analytics.partition_archives.dropped_at     is 'When the month left the database after that; empty while it is there.';
comment on column analytics.partition_archives.lower_bound    is 'The month begins here (UTC).';
comment on column analytics.partition_archives.parent         is 'The table that the month is of.';
comment on column analytics.partition_archives.partition      is 'The name of the partition.';
comment on column analytics.partition_archives.path           is 'Where the Parquet file is, on the machine that runs mlops.';
comment on column analytics.partition_archives.restored_at    is 'When the month was brought back; empty when it was not.';
comment on column analytics.partition_archives.restored_until is 'Until when retention leaves the restored month alone.';
comment on column analytics.partition_archives.rows           is 'How many rows the file holds.';
comment on column analytics.partition_archives.sha256         is 'SHA-256 of the file.';
comment on column analytics.partition_archives.upper_bound    is 'The month ends before this time (UTC).';

comment on column analytics.partition_log.action    is 'made, archived, dropped, restored or clustered.';
comment on column analytics.partition_log.at        is 'When it was done (instant).';
comment on column analytics.partition_log.by_role   is 'The database role that did it.';
comment on column analytics.partition_log.bytes     is 'The size of the partition then; empty where nobody looked.';
comment on column analytics.partition_log.log_id    is 'Numbers the entries.';
comment on column analytics.partition_log.parent    is 'The table that the partition is of.';
comment on column analytics.partition_log.partition is 'The name of the partition.';
comment on column analytics.partition_log.rows      is 'How many rows it had then; empty where nobody looked.';

comment on column analytics.partition_policy.max_ahead_months is 'The latest month that is made, counted from the current one.';
comment on column analytics.partition_policy.min_month        is 'The earliest month that is made, by its first day.';
comment on column analytics.partition_policy.parent           is 'The partitioned table.';

comment on column analytics.promotions.action            is 'promote, or rollback to a version that was there before.';
comment on column analytics.promotions.alias             is 'The alias that was to move.';
comment on column analytics.promotions.decided_at        is 'When it was decided (instant).';
comment on column analytics.promotions.decided_by        is 'Who decided.';
comment on column analytics.promotions.model_id          is 'Of analytics.registered_models.';
comment on column analytics.promotions.promotion_id      is 'Numbers the decisions.';
comment on column analytics.promotions.reason            is 'Why, in the words of whoever decided.';
comment on column analytics.promotions.recommendation_id is 'The recommendation that it acts on, of analytics.retraining_recommendations; empty when it acts on none.';
comment on column analytics.promotions.version_id        is 'Where the alias was to point, of analytics.model_versions.';

comment on column analytics.realised_benefits.action             is 'What was done: retrain, rollback or fallback.';
comment on column analytics.realised_benefits.currency           is 'The currency of money, as ISO 4217 says: EUR.';
comment on column analytics.realised_benefits.model              is 'The registered model''s name.';
comment on column analytics.realised_benefits.new_version        is 'The number of the version that took over.';
comment on column analytics.realised_benefits.promised_money     is 'Money a week that was promised; empty where prices are placeholders.';
comment on column analytics.realised_benefits.promised_over_days is 'Over how many held-out days the promise was measured.';
comment on column analytics.realised_benefits.promised_wape_high is 'Upper end of the interval of the promise.';
comment on column analytics.realised_benefits.promised_wape_low  is 'Lower end of the interval of the promise.';
comment on column analytics.realised_benefits.realised_at        is 'As of when it was measured what came true.';
comment on column analytics.realised_benefits.realised_money     is 'Money a week that was saved; empty where prices are placeholders.';
comment on column analytics.realised_benefits.realised_over_days is 'Over how many days it was measured what came true.';
comment on column analytics.realised_benefits.realised_wape_high is 'Upper end of the interval of what came true.';
comment on column analytics.realised_benefits.realised_wape_low  is 'Lower end of the interval of what came true.';
comment on column analytics.realised_benefits.recommendation_id  is 'Of analytics.retraining_recommendations.';
comment on column analytics.realised_benefits.recommended_at     is 'The check that recommended it judged what was known by then.';
comment on column analytics.realised_benefits.replaced_version   is 'The number of the version that was replaced.';

comment on column analytics.recommendation_decisions.decided_at        is 'When it was decided (instant).';
comment on column analytics.recommendation_decisions.decided_by        is 'Who decided.';
comment on column analytics.recommendation_decisions.decision          is 'accept, dismiss, or snooze (put off).';
comment on column analytics.recommendation_decisions.decision_id       is 'Numbers the decisions; the newest of a recommendation counts.';
comment on column analytics.recommendation_decisions.reason            is 'Why, in the words of whoever decided.';
comment on column analytics.recommendation_decisions.recommendation_id is 'Of analytics.retraining_recommendations.';

comment on column analytics.recommendation_findings.finding_id        is 'Of analytics.model_performance_tracking.';
comment on column analytics.recommendation_findings.recommendation_id is 'Of analytics.retraining_recommendations.';

comment on column analytics.refused_rows.column_name is 'The column that could not be taken; empty when the row as a whole could not.';
comment on column analytics.refused_rows.found       is 'What stood there.';
comment on column analytics.refused_rows.line        is 'The line of the file, from 1; 0 of the file as a whole.';
comment on column analytics.refused_rows.raw         is 'The row as it was read, as JSON.';
comment on column analytics.refused_rows.reason      is 'Why it was refused, in a sentence.';
comment on column analytics.refused_rows.refused_at  is 'When it was refused (instant).';
comment on column analytics.refused_rows.sha256      is 'SHA-256 of the file.';
comment on column analytics.refused_rows.source      is 'The file''s path, as it was given.';

comment on column analytics.registered_model_names.model_id   is 'Of analytics.registered_models.';
comment on column analytics.registered_model_names.name       is 'A name that the model had.';
comment on column analytics.registered_model_names.valid_from is 'Since when (instant).';
comment on column analytics.registered_model_names.valid_to   is 'Until when; empty while it has the name.';

comment on column analytics.registered_models.description is 'The description in the registry.';
comment on column analytics.registered_models.model_id    is 'Numbers the models; it outlives a rename.';
comment on column analytics.registered_models.tags        is 'Tags of the model, as JSON.';

comment on column analytics.registry_mirror.adopted_at is 'Since when the mirror follows this registry.';
comment on column analytics.registry_mirror.aliases    is 'Aliases that point somewhere now.';
comment on column analytics.registry_mirror.failed_at  is 'When a sync last failed; empty when the last one did not.';
comment on column analytics.registry_mirror.how        is 'How it was last read: sql, or api.';
comment on column analytics.registry_mirror.only_one   is 'Always true: there is one row.';
comment on column analytics.registry_mirror.versions   is 'Versions that the registry has now.';

comment on column analytics.retraining_recommendations.action               is 'none, watch, investigate_data, retrain, rollback or fallback.';
comment on column analytics.retraining_recommendations.as_of                is 'The check judged what was known by then.';
comment on column analytics.retraining_recommendations.created_at           is 'When it was stored.';
comment on column analytics.retraining_recommendations.decided_at           is 'When it was acted on; empty until then.';
comment on column analytics.retraining_recommendations.evidence             is 'What it rests on, as JSON: the proof of a challenger, of the naive, of the data.';
comment on column analytics.retraining_recommendations.realised_at          is 'As of when realised_benefit was measured; empty until then.';
comment on column analytics.retraining_recommendations.reasons              is 'Why, a sentence each.';
comment on column analytics.retraining_recommendations.recommendation_id    is 'Numbers the recommendations; mlops recommendations takes it.';
comment on column analytics.retraining_recommendations.retrained_run_id     is 'MLflow''s id of the run that acting on it made.';
comment on column analytics.retraining_recommendations.retrained_version_id is 'The version that acting on it made or brought back, of analytics.model_versions.';
comment on column analytics.retraining_recommendations.rule_version         is 'Which rules recommended it.';
comment on column analytics.retraining_recommendations.status               is 'open, accepted, dismissed, snoozed, done, or superseded by a later one.';
comment on column analytics.retraining_recommendations.verdict              is 'What came of acting on it, in a sentence; empty until then.';
comment on column analytics.retraining_recommendations.version_id           is 'The judged version, of analytics.model_versions.';

comment on column analytics.route_performance_summary.anomalies             is 'How many observations of the twelve months are marked as anomalies.';
comment on column analytics.route_performance_summary.collections           is 'Sum of collection_count.';
comment on column analytics.route_performance_summary.contamination_percent is 'Mean contamination_rate over its observations, in per cent.';
comment on column analytics.route_performance_summary.delay_minutes         is 'Mean service_delay over its observations, in minutes.';
comment on column analytics.route_performance_summary.depot                 is 'Where the route begins, from analytics.routes.';
comment on column analytics.route_performance_summary.distance_km           is 'Sum of route_distance, in km.';
comment on column analytics.route_performance_summary.duration_minutes      is 'Sum of route_duration, in minutes.';
comment on column analytics.route_performance_summary.efficiency_percent    is 'Mean route_efficiency over its observations, in per cent.';
comment on column analytics.route_performance_summary.first_month           is 'The first of the twelve months with an observation, by its first day.';
comment on column analytics.route_performance_summary.fuel_litres           is 'Sum of fuel_consumption, in litres.';
comment on column analytics.route_performance_summary.kg_per_hour           is 'weight_kg for each hour of duration_minutes.';
comment on column analytics.route_performance_summary.kg_per_km             is 'weight_kg / distance_km.';
comment on column analytics.route_performance_summary.last_day              is 'The newest local day with an observation.';
comment on column analytics.route_performance_summary.last_month            is 'The newest month with an observation, by its first day.';
comment on column analytics.route_performance_summary.litres_per_100_km     is 'fuel_litres for each 100 of distance_km.';
comment on column analytics.route_performance_summary.missed                is 'Sum of missed_collections.';
comment on column analytics.route_performance_summary.name                  is 'The route''s name from analytics.routes.';
comment on column analytics.route_performance_summary.route_id              is 'The route, as observations name it.';
comment on column analytics.route_performance_summary.tenant_id             is 'The tenant; 1 where there is one only.';
comment on column analytics.route_performance_summary.volume_m3             is 'Sum of waste_volume, in cubic metres.';

comment on column analytics.routes.active_from is 'The first day on which the route is driven; empty when nobody said.';
comment on column analytics.routes.active_to   is 'The last day on which the route is driven; empty while it is.';
comment on column analytics.routes.attributes  is 'Anything else that the user knows of the route, as a JSON object.';
comment on column analytics.routes.created_at  is 'When the row was added.';
comment on column analytics.routes.depot       is 'Where the route begins, in the user''s words.';
comment on column analytics.routes.name        is 'What people call the route: as a user wrote it, else by the labels of its series (route_name, or name of a series that is the route''s own), which a refresh fills in.';
comment on column analytics.routes.route_id    is 'The route, as observations name it.';
comment on column analytics.routes.tenant_id   is 'The tenant; 1 where there is one only.';

comment on column analytics.schema_version.version_num is 'The newest migration that was applied: 0018.';

comment on column analytics.seasonal_patterns.days        is 'How many days of the series lie at this position.';
comment on column analytics.seasonal_patterns.first_day   is 'The first local day that was looked at.';
comment on column analytics.seasonal_patterns.last_day    is 'The newest local day that was looked at.';
comment on column analytics.seasonal_patterns.mean        is 'The mean of these days, in the unit of the metric type.';
comment on column analytics.seasonal_patterns.metric_type is 'What is measured, of analytics.metric_types.';
comment on column analytics.seasonal_patterns.position    is 'Of a weekday 1 (Monday) to 7 (Sunday), of a month 1 to 12.';
comment on column analytics.seasonal_patterns.season      is 'weekday or month.';
comment on column analytics.seasonal_patterns.series_id   is 'Of analytics.series.';
comment on column analytics.seasonal_patterns.tenant_id   is 'The tenant; 1 where there is one only.';

comment on column analytics.series.created_at       is 'When the series was made: its first row came.';
comment on column analytics.series.customer_id      is 'The customer; empty where the series has none.';
comment on column analytics.series.driver_id        is 'The driver; empty where the series has none.';
comment on column analytics.series.external_factors is 'What a user wrote about influences on the series, as JSON; mlops itself leaves it empty.';
comment on column analytics.series.granularity      is 'How long a step is, of analytics.granularities.';
comment on column analytics.series.labels           is 'Anything else that tells series apart, as a JSON object of texts.';
comment on column analytics.series.metric_type      is 'What is measured, of analytics.metric_types, which says the unit.';
comment on column analytics.series.route_id         is 'The route; empty where the series has none.';
comment on column analytics.series.seasonality      is 'Seasons that were found in it, as JSON, with strength and index; empty until they were looked for.';
comment on column analytics.series.series_id        is 'Numbers the series; observations and forecasts name it.';
comment on column analytics.series.service_area     is 'Where it is collected, x longitude and y latitude; empty where nobody said.';
comment on column analytics.series.site_id          is 'The site; empty where the series has none.';
comment on column analytics.series.tenant_id        is 'The tenant; 1 where there is one only.';
comment on column analytics.series.vehicle_id       is 'The vehicle; empty where the series has none.';

comment on column analytics.series_parts.metric_type is 'What both measure, of analytics.metric_types.';
comment on column analytics.series_parts.part_id     is 'The series that measures a part, of analytics.series.';
comment on column analytics.series_parts.tenant_id   is 'The tenant; 1 where there is one only.';
comment on column analytics.series_parts.whole_id    is 'The series that measures the whole, of analytics.series.';

comment on column analytics.sites.active_from is 'The first day on which the site is used; empty when nobody said.';
comment on column analytics.sites.active_to   is 'The last day on which the site is used; empty while it is.';
comment on column analytics.sites.attributes  is 'Anything else that the user knows of the site, as a JSON object.';
comment on column analytics.sites.created_at  is 'When the row was added.';
comment on column analytics.sites.kind        is 'What sort of site it is, in the user''s words: depot, container, …';
comment on column analytics.sites.location    is 'Where it is, x longitude and y latitude.';
comment on column analytics.sites.name        is 'What people call the site: as a user wrote it, else by the labels of its series (site_name, or name of a series that is the site''s own), which a refresh fills in.';
comment on column analytics.sites.site_id     is 'The site, as observations name it.';
comment on column analytics.sites.tenant_id   is 'The tenant; 1 where there is one only.';

comment on column analytics.time_series.anomaly_score    is 'Robust standard deviations from what was expected; empty where it could not be told.';
comment on column analytics.time_series.customer_id      is 'The customer of the series; empty where it has none.';
comment on column analytics.time_series.driver_id        is 'The driver of the series; empty where it has none.';
comment on column analytics.time_series.external_factors is 'What a user wrote about influences on the series, as JSON.';
comment on column analytics.time_series.granularity      is 'How long a step is, of analytics.granularities.';
comment on column analytics.time_series.is_anomaly       is 'Whether anomaly_score is beyond the limit of the metric type.';
comment on column analytics.time_series.labels           is 'The labels of the series, as a JSON object.';
comment on column analytics.time_series.metric_type      is 'What is measured, of analytics.metric_types.';
comment on column analytics.time_series.observed_at      is 'When the step begins: an instant, or of steps of a day or longer 00:00 UTC of the local date. See day.';
comment on column analytics.time_series.quality_score    is 'From 0 (a dead sensor: not used) to 1; empty where it was not judged.';
comment on column analytics.time_series.recorded_at      is 'When the value became known (instant).';
comment on column analytics.time_series.route_id         is 'The route of the series; empty where it has none.';
comment on column analytics.time_series.seasonality      is 'Seasons that were found in the series, as JSON.';
comment on column analytics.time_series.series_id        is 'Of analytics.series.';
comment on column analytics.time_series.service_area     is 'Where the series is collected, x longitude and y latitude.';
comment on column analytics.time_series.site_id          is 'The site of the series; empty where it has none.';
comment on column analytics.time_series.tenant_id        is 'The tenant; 1 where there is one only.';
comment on column analytics.time_series.time_zone        is 'IANA name of the clock of the series.';
comment on column analytics.time_series.unit             is 'The unit of value and its bounds.';
comment on column analytics.time_series.value            is 'The value as it stands now.';
comment on column analytics.time_series.value_lower      is 'Lower bound of what was measured, where the source gave one.';
comment on column analytics.time_series.value_upper      is 'Upper bound of what was measured, where the source gave one.';
comment on column analytics.time_series.vehicle_id       is 'The vehicle of the series; empty where it has none.';
comment on column analytics.time_series.day              is 'The local date of observed_at by the clock of the series; the same in every session''s time zone.';
comment on column analytics.time_series.level            is 'Whose figures these are: customer, driver, vehicle, route, site or company; see analytics.series_parts before you add up.';

comment on column analytics.time_series_metrics.anomaly_score is 'Robust standard deviations from what was expected; empty where it could not be told.';
comment on column analytics.time_series_metrics.is_anomaly    is 'Whether anomaly_score is beyond the limit of the metric type.';
comment on column analytics.time_series_metrics.observed_at   is 'When the step begins: an instant, or of steps of a day or longer 00:00 UTC of the local date.';
comment on column analytics.time_series_metrics.quality_score is 'From 0 (a dead sensor: not used) to 1; empty where it was not judged.';
comment on column analytics.time_series_metrics.recorded_at   is 'When the value became known (instant).';
comment on column analytics.time_series_metrics.series_id     is 'Of analytics.series.';
comment on column analytics.time_series_metrics.value         is 'The value as it stands now, in the unit of the metric type.';
comment on column analytics.time_series_metrics.value_lower   is 'Lower bound of what was measured, where the source gave one.';
comment on column analytics.time_series_metrics.value_upper   is 'Upper bound of what was measured, where the source gave one.';

comment on column analytics.time_series_revisions.observed_at   is 'When the step begins, as in analytics.time_series_metrics.';
comment on column analytics.time_series_revisions.recorded_at   is 'From when on this was what was known (instant).';
comment on column analytics.time_series_revisions.series_id     is 'Of analytics.series.';
comment on column analytics.time_series_revisions.superseded_at is 'Until when: then another value took its place.';
comment on column analytics.time_series_revisions.value         is 'The old value, in the unit of the metric type.';
comment on column analytics.time_series_revisions.value_lower   is 'Its lower bound, where the source gave one.';
comment on column analytics.time_series_revisions.value_upper   is 'Its upper bound, where the source gave one.';

comment on column analytics.time_series_staging.observed_at   is 'When the step begins: an instant, or of steps of a day or longer 00:00 UTC of the local date.';
comment on column analytics.time_series_staging.quality_score is 'From 0 to 1; leave it empty to have it scored by mlops db maintain.';
comment on column analytics.time_series_staging.series_id     is 'Of analytics.series; analytics.series_for gives it.';
comment on column analytics.time_series_staging.value         is 'The value, in the unit of the metric type.';
comment on column analytics.time_series_staging.value_lower   is 'Lower bound of what was measured, or empty.';
comment on column analytics.time_series_staging.value_upper   is 'Upper bound of what was measured, or empty.';

comment on column analytics.unscored.mark_id   is 'Numbers the marks.';
comment on column analytics.unscored.series_id is 'Of analytics.series.';
comment on column analytics.unscored.since     is 'The first step to be scored.';

comment on column analytics.vehicles.active_from is 'The first day on which the vehicle is used; empty when nobody said.';
comment on column analytics.vehicles.active_to   is 'The last day on which the vehicle is used; empty while it is.';
comment on column analytics.vehicles.attributes  is 'Anything else that the user knows of the vehicle, as a JSON object.';
comment on column analytics.vehicles.capacity_kg is 'The largest load, in kg.';
comment on column analytics.vehicles.created_at  is 'When the row was added.';
comment on column analytics.vehicles.depot       is 'Where the vehicle stands, in the user''s words.';
comment on column analytics.vehicles.kind        is 'What sort of vehicle it is, in the user''s words.';
comment on column analytics.vehicles.name        is 'What people call the vehicle, as a user wrote it.';
comment on column analytics.vehicles.tenant_id   is 'The tenant; 1 where there is one only.';
comment on column analytics.vehicles.vehicle_id  is 'The vehicle, as observations name it.';

comment on column analytics.view_freshness.failed_at is 'When the last refresh failed; empty when it did not.';
comment on column analytics.view_freshness.view_name is 'The view or table, without its schema.';

comment on column analytics.webhook_deliveries.received_at is 'When it came in (instant).';
