-- Names and segments that observations bring as labels are those of customers, routes and sites, where nobody wrote any.

create function analytics.name_places() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp set standard_conforming_strings = on set quote_all_identifiers = off
as $$
begin
    update analytics.customers c
       set name = coalesce(c.name, l.name), segment = coalesce(c.segment, l.segment)
      from (select s.tenant_id, s.customer_id, min(analytics.label_name(s, 'customer')) as name,
                   min(coalesce(s.labels ->> 'customer_segment', s.labels ->> 'segment')) as segment
              from analytics.series s
             where (s.tenant_id, s.customer_id) in (select a.tenant_id, a.entity_id from arrived a where a.dimension = 'customer')
             group by s.tenant_id, s.customer_id) l
     where c.tenant_id = l.tenant_id and c.customer_id = l.customer_id
       and (c.name is null and l.name is not null or c.segment is null and l.segment is not null);
    update analytics.routes r set name = l.name
      from (select s.tenant_id, s.route_id, min(analytics.label_name(s, 'route')) as name from analytics.series s
             where (s.tenant_id, s.route_id) in (select a.tenant_id, a.entity_id from arrived a where a.dimension = 'route')
             group by s.tenant_id, s.route_id) l
     where r.tenant_id = l.tenant_id and r.route_id = l.route_id and r.name is null and l.name is not null;
    update analytics.sites r set name = l.name
      from (select s.tenant_id, s.site_id, min(analytics.label_name(s, 'site')) as name from analytics.series s
             where (s.tenant_id, s.site_id) in (select a.tenant_id, a.entity_id from arrived a where a.dimension = 'site')
             group by s.tenant_id, s.site_id) l
     where r.tenant_id = l.tenant_id and r.site_id = l.site_id and r.name is null and l.name is not null;
    return null;
end $$;
comment on function analytics.name_places is 'Gives customers, routes and sites whose months were just summed up a name, and customers a segment, by the labels of their series, where they have none.';
create trigger name_places after insert on analytics.month_figures
    referencing new table as arrived for each statement execute function analytics.name_places();

revoke execute on function analytics.name_places from public;
