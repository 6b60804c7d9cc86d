-- What was promised and what came true, as columns: one row for each recommendation whose benefit was measured.

create view analytics.realised_benefits as
select r.recommendation_id, v.name as model, r.action, r.as_of as recommended_at, r.realised_at,
       v.version as replaced_version, n.version as new_version,
       (r.expected_benefit ->> 'wape')::float8      as promised_wape,
       (r.expected_benefit ->> 'wape_low')::float8  as promised_wape_low,
       (r.expected_benefit ->> 'wape_high')::float8 as promised_wape_high,
       (r.realised_benefit ->> 'wape')::float8      as realised_wape,
       (r.realised_benefit ->> 'wape_low')::float8  as realised_wape_low,
       (r.realised_benefit ->> 'wape_high')::float8 as realised_wape_high,
       case when p.are_ours then (r.expected_benefit ->> 'money')::float8 end as promised_money,
       case when p.are_ours then (r.realised_benefit ->> 'money')::float8 end as realised_money,
       case when p.are_ours then r.realised_benefit ->> 'currency' end        as currency,
       (r.expected_benefit ->> 'days')::int         as promised_over_days,
       (r.realised_benefit ->> 'days')::int         as realised_over_days,
       (r.realised_benefit ->> 'wape')::float8 > 0  as paid_off,
       (r.realised_benefit ->> 'wape')::float8 >= (r.expected_benefit ->> 'wape_low')::float8 as kept
  from analytics.retraining_recommendations r
  join analytics.model_versions v using (version_id)
  left join analytics.model_versions n on n.version_id = r.retrained_version_id
 cross join lateral (select coalesce(r.realised_benefit ->> 'currency', '') <> '' as are_ours) p  -- prices, and no placeholders
 where r.realised_at is not null and r.expected_benefit is not null;

comment on view   analytics.realised_benefits is 'What acting on a recommendation promised and what it brought: by how much lower the WAPE was than that of the version that was replaced, and money a week where prices are no placeholders.';
comment on column analytics.realised_benefits.promised_wape is 'Of the WAPE, saved on held-out days before the decision.';
comment on column analytics.realised_benefits.realised_wape is 'Of the WAPE, saved in the weeks after the decision, against what the replaced version would have forecast from the same cutoffs.';
comment on column analytics.realised_benefits.paid_off      is 'Whether the new version was better than the replaced one would have been.';
comment on column analytics.realised_benefits.kept          is 'Whether at least the lower end of the promise came true.';
