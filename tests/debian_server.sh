#!/bin/sh
# Starts Debian's PostgreSQL, makes the caller a superuser of it, prints its address.
set -eu
version=$(pg_lsclusters --no-header | awk '{print $1; exit}')
port=$(pg_lsclusters --no-header | awk '{print $3; exit}')
pg_lsclusters --no-header | grep -q online || pg_ctlcluster "$version" main start >&2
until su postgres -c "psql -p $port -qc 'select 1'" >/dev/null 2>&1; do sleep 1; done
su postgres -c "psql -p $port -qc \"do \\\$\\\$ begin create role $(id -un) superuser login; exception when duplicate_object then null; end \\\$\\\$\"" >&2
echo "postgresql://$(id -un)@/postgres?host=/var/run/postgresql&port=$port"
