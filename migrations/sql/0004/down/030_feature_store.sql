do $$
declare
    name text;
begin
    for name in select distinct feature_set from analytics.feature_builds loop
        execute format('drop view if exists analytics.%I', format('features_%s', name));
    end loop;
end $$;
drop function analytics.show_feature_set(text);
drop function analytics.drop_offline_build(bigint);
drop function analytics.attach_offline_build(bigint);
drop function analytics.make_offline_build(bigint);
drop table analytics.online_features;
drop table analytics.online_feature_sets;
drop table analytics.offline_features;
drop table analytics.feature_builds;
