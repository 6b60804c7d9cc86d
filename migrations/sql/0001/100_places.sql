-- Who or what is served, by what and by whom. A refresh adds the ids that observations name; everything else is written by users.

create table analytics.customers (
    tenant_id   int   not null default 1,
    customer_id text  not null,
    name        text,
    segment     text,
    active_from date,
    active_to   date  check (active_to >= active_from),
    attributes  jsonb not null default '{}' check (jsonb_typeof(attributes) = 'object'),
    created_at  timestamptz not null default now(),
    primary key (tenant_id, customer_id)
);
create index customers_segment on analytics.customers (tenant_id, segment);
comment on table analytics.customers is 'Whom we serve. A refresh adds missing ids; what a user wrote stands.';
comment on column analytics.customers.tenant_id   is 'The tenant; 1 where there is one only.';
comment on column analytics.customers.customer_id is 'The customer, as observations name it.';
comment on column analytics.customers.name        is 'What people call the customer: as a user wrote it, else by the labels of its series (customer_name, or name of a series that is the customer''s own), which a refresh fills in.';
comment on column analytics.customers.segment     is 'A group of customers, such as restaurant: as a user wrote it, else by the labels of its series (customer_segment or segment), which a refresh fills in.';
comment on column analytics.customers.active_from is 'The first day on which the customer is served; empty when nobody said.';
comment on column analytics.customers.active_to   is 'The last day on which the customer is served; empty while it is.';
comment on column analytics.customers.attributes  is 'Anything else that the user knows of the customer, as a JSON object.';
comment on column analytics.customers.created_at  is 'When the row was added.';

create table analytics.routes (
    tenant_id    int   not null default 1,
    route_id     text  not null,
    name         text,
    depot        text,
    service_area polygon,
    active_from  date,
    active_to    date  check (active_to >= active_from),
    attributes   jsonb not null default '{}' check (jsonb_typeof(attributes) = 'object'),
    created_at   timestamptz not null default now(),
    primary key (tenant_id, route_id)
);
create index routes_area on analytics.routes using gist (service_area);
comment on table analytics.routes is 'What is driven. A refresh adds missing ids; what a user wrote stands.';
comment on column analytics.routes.tenant_id    is 'The tenant; 1 where there is one only.';
comment on column analytics.routes.route_id     is 'The route, as observations name it.';
comment on column analytics.routes.name         is 'What people call the route: as a user wrote it, else by the labels of its series (route_name, or name of a series that is the route''s own), which a refresh fills in.';
comment on column analytics.routes.depot        is 'Where the route begins, in the user''s words.';
comment on column analytics.routes.service_area is 'Where the route collects, x longitude and y latitude. It stands for every series of the route that has no area of its own.';
comment on column analytics.routes.active_from  is 'The first day on which the route is driven; empty when nobody said.';
comment on column analytics.routes.active_to    is 'The last day on which the route is driven; empty while it is.';
comment on column analytics.routes.attributes   is 'Anything else that the user knows of the route, as a JSON object.';
comment on column analytics.routes.created_at   is 'When the row was added.';

create table analytics.vehicles (
    tenant_id   int   not null default 1,
    vehicle_id  text  not null,
    name        text,
    kind        text,
    depot       text,
    capacity_kg double precision check (capacity_kg > 0),
    active_from date,
    active_to   date  check (active_to >= active_from),
    attributes  jsonb not null default '{}' check (jsonb_typeof(attributes) = 'object'),
    created_at  timestamptz not null default now(),
    primary key (tenant_id, vehicle_id)
);
comment on table analytics.vehicles is 'With what. A refresh adds missing ids; what a user wrote stands.';
comment on column analytics.vehicles.tenant_id   is 'The tenant; 1 where there is one only.';
comment on column analytics.vehicles.vehicle_id  is 'The vehicle, as observations name it.';
comment on column analytics.vehicles.name        is 'What people call the vehicle, as a user wrote it.';
comment on column analytics.vehicles.kind        is 'What sort of vehicle it is, in the user''s words.';
comment on column analytics.vehicles.depot       is 'Where the vehicle stands, in the user''s words.';
comment on column analytics.vehicles.capacity_kg is 'The largest load, in kg.';
comment on column analytics.vehicles.active_from is 'The first day on which the vehicle is used; empty when nobody said.';
comment on column analytics.vehicles.active_to   is 'The last day on which the vehicle is used; empty while it is.';
comment on column analytics.vehicles.attributes  is 'Anything else that the user knows of the vehicle, as a JSON object.';
comment on column analytics.vehicles.created_at  is 'When the row was added.';

create table analytics.drivers (
    tenant_id   int   not null default 1,
    driver_id   text  not null,
    name        text,
    depot       text,
    active_from date,
    active_to   date  check (active_to >= active_from),
    attributes  jsonb not null default '{}' check (jsonb_typeof(attributes) = 'object'),
    created_at  timestamptz not null default now(),
    primary key (tenant_id, driver_id)
);
comment on table analytics.drivers is 'By whom. A refresh adds missing ids; what a user wrote stands.';
comment on column analytics.drivers.tenant_id   is 'The tenant; 1 where there is one only.';
comment on column analytics.drivers.driver_id   is 'The driver, as observations name it.';
comment on column analytics.drivers.name        is 'What people call the driver, as a user wrote it.';
comment on column analytics.drivers.depot       is 'Where the driver begins, in the user''s words.';
comment on column analytics.drivers.active_from is 'The first day on which the driver works here; empty when nobody said.';
comment on column analytics.drivers.active_to   is 'The last day on which the driver works here; empty while that goes on.';
comment on column analytics.drivers.attributes  is 'Anything else that the user knows of the driver, as a JSON object.';
comment on column analytics.drivers.created_at  is 'When the row was added.';

create table analytics.sites (
    tenant_id   int   not null default 1,
    site_id     text  not null,
    name        text,
    kind        text,
    location    point,
    active_from date,
    active_to   date  check (active_to >= active_from),
    attributes  jsonb not null default '{}' check (jsonb_typeof(attributes) = 'object'),
    created_at  timestamptz not null default now(),
    primary key (tenant_id, site_id)
);
comment on table analytics.sites is 'Where: depots, transfer stations, containers. A refresh adds missing ids; what a user wrote stands.';
comment on column analytics.sites.tenant_id   is 'The tenant; 1 where there is one only.';
comment on column analytics.sites.site_id     is 'The site, as observations name it.';
comment on column analytics.sites.name        is 'What people call the site: as a user wrote it, else by the labels of its series (site_name, or name of a series that is the site''s own), which a refresh fills in.';
comment on column analytics.sites.kind        is 'What sort of site it is, in the user''s words: depot, container, …';
comment on column analytics.sites.location    is 'Where it is, x longitude and y latitude.';
comment on column analytics.sites.active_from is 'The first day on which the site is used; empty when nobody said.';
comment on column analytics.sites.active_to   is 'The last day on which the site is used; empty while it is.';
comment on column analytics.sites.attributes  is 'Anything else that the user knows of the site, as a JSON object.';
comment on column analytics.sites.created_at  is 'When the row was added.';
