"""What lets old months leave a database in a test."""

import psycopg

NEWEST = """
select analytics.create_monthly_partition(now()::date);
insert into analytics.time_series_metrics (series_id, observed_at, value) values (-1, date_trunc('hour', now()), 0)"""
AGREED = """
select analytics.agree_to_retention(parent) from analytics.partition_policy
 where follows is null and keep_months is not null"""


def newest_is_today(url: str) -> None:
    """Let retention count from today: an observation of now, of a series that nobody else knows."""
    _run(url, NEWEST)


def agree(url: str) -> None:
    """Let old months leave from now on."""
    _run(url, AGREED)


def let_go(url: str) -> None:
    """Let all months leave that are old today, as far as they are summarised and archived."""
    _run(url, f"{NEWEST}; {AGREED}; select count(*) from analytics.refresh_predictive_views()")


def _run(url: str, statements: str) -> None:
    with psycopg.connect(url, options="-ctimezone=UTC") as connection:
        connection.execute(statements)
