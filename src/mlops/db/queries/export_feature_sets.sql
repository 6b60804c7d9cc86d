-- the feature sets of which there is a build, as the newest one has them, for export
select distinct on (b.feature_set) b.feature_set as name, b.selection,
       (select jsonb_agg(jsonb_build_object('version', s.version, 'definition', s.definition) order by t.place)
          from jsonb_array_elements(b.features) with ordinality t (feature, place)
          join analytics.model_feature_store s
            on (s.name, s.definition_sha256) = (t.feature ->> 'name', t.feature ->> 'definition_sha256')) as features
  from analytics.feature_builds b
 order by b.feature_set, b.as_of desc, b.build_id desc
