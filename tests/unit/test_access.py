"""Roles, rates and what a key looks like: what holds without a database."""

import doctest
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops.access import ROLES, SCOPES, rate
from mlops.access.keys import KEY, digest_of, id_of
from mlops.access.rate import RateLimit, SharedBuckets
from mlops.access.roles import check_role, scopes_of
from mlops.errors import UnknownName


def test_every_scope_is_of_some_role_and_the_admin_has_all():
    assert set().union(*ROLES.values()) == ROLES["admin"] == set(SCOPES)


def test_roles_grow_from_the_viewer():
    assert all(ROLES["viewer"] <= scopes for scopes in ROLES.values())
    assert ROLES["scientist"] <= ROLES["reviewer"] & ROLES["operator"]
    assert not ROLES["reviewer"] <= ROLES["operator"], "who decides is not who operates"
    assert [role for role, scopes in ROLES.items() if "administer" in scopes] == ["admin"]


@pytest.mark.parametrize(
    ("role", "only", "scopes"),
    [
        ("viewer", None, {"read"}),
        ("scientist", ["score"], {"score"}),
        ("viewer", ["score"], set()),
        ("scientist", ["nonsense"], set()),
        ("scientist", [], set()),
        ("root", None, set()),
    ],
)
def test_a_key_never_has_more_than_its_role(role: str, only: list[str] | None, scopes: set[str]):
    assert scopes_of(role, only) == scopes


def test_a_scope_that_the_role_lacks_is_refused():
    check_role("scientist", ["score", "read"])
    with pytest.raises(UnknownName, match="unknown scope of viewer 'score'; known: read"):
        check_role("viewer", ["score"])
    with pytest.raises(UnknownName, match="unknown role 'vewer'; did you mean 'viewer'"):
        check_role("vewer")


def test_the_example_of_the_bucket_runs():
    assert doctest.testmod(rate) == (0, 3)


@given(
    per_minute=st.integers(1, 100_000),
    burst=st.integers(1, 1_000),
    pauses=st.lists(st.floats(0, 120, allow_nan=False), min_size=1, max_size=200),
)
def test_no_stretch_of_time_has_more_than_the_burst_and_what_came_in_it(
    per_minute: int, burst: int, pauses: list[float]
):
    limit, now, full_at, taken = RateLimit(per_minute, burst), 1_000_000.0, 0.0, []
    for pause in pauses:
        now += pause
        if limit.wait(full_at, now) == 0:
            full_at = limit.take(full_at, now)
            taken.append(now)
    for first in range(len(taken)):
        for last in range(first, len(taken)):
            most = burst + (taken[last] - taken[first]) * per_minute / 60
            assert last - first + 1 <= most + 1e-3 * per_minute / 60


@given(per_minute=st.integers(1, 100_000), burst=st.integers(1, 1_000), asked=st.integers(1, 1_200))
def test_after_the_wait_there_is_a_token(per_minute: int, burst: int, asked: int):
    limit, now, full_at = RateLimit(per_minute, burst), 1_000_000.0, 0.0
    for number in range(asked):
        wait = limit.wait(full_at, now)
        assert (wait > 0) == (number >= burst), "a burst passes at once, and nothing more"
        if wait:
            break
        full_at = limit.take(full_at, now)
    assert limit.wait(full_at, now + limit.wait(full_at, now) + 1e-6) == 0


@given(
    per_minute=st.integers(1, 100_000), burst=st.integers(1, 1_000), full_at=st.floats(0, 1e12), now=st.floats(0, 1e9)
)
def test_no_state_keeps_anybody_waiting_for_longer_than_a_token_takes(
    per_minute: int, burst: int, full_at: float, now: float
):
    """The state may be of the machine's last start, when its clock was further on."""
    assert RateLimit(per_minute, burst).wait(full_at, now) <= 60 / per_minute


def test_workers_share_what_they_have_taken(tmp_path: Path):
    first, second = SharedBuckets(tmp_path / "run" / "rates"), SharedBuckets(tmp_path / "run" / "rates")
    assert first.get("0a0a0a0a0a0a", 7.0) == 7.0
    first["0a0a0a0a0a0a"] = 12.5
    assert second.get("0a0a0a0a0a0a", 7.0) == 12.5
    assert second.get("0b0b0b0b0b0b", 7.0) == 7.0
    assert (tmp_path / "run" / "rates").stat().st_mode & 0o077 == 0


def test_keys_whose_places_meet_have_buckets_of_their_own(tmp_path: Path):
    ids = [f"{number * SharedBuckets.SLOTS:012x}" for number in range(50)]
    buckets = [SharedBuckets(tmp_path / "rates") for _ in range(3)]
    for number, key_id in enumerate(ids, 1):
        buckets[number % 3][key_id] = float(number)
    assert [buckets[0].get(key_id, 0.0) for key_id in ids] == [float(number) for number in range(1, 51)]


def test_more_keys_than_places_share_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(SharedBuckets, "SLOTS", 4)
    buckets = SharedBuckets(tmp_path / "rates")
    for number in range(6):
        buckets[f"{number:012x}"] = 1.0 + number
    assert {buckets.get(f"{number:012x}", 0.0) for number in range(4, 6)} <= {5.0, 6.0}


def test_a_key_is_known_by_its_public_part_and_by_a_digest_of_the_whole():
    key = f"mlops_{'0a' * 6}_{'1b' * 32}"
    match = KEY.fullmatch(key)
    assert match is not None
    assert match[1] == id_of(key) == id_of("mlops_" + "0a" * 6) == id_of(f" {'0a' * 6}\n") == "0a" * 6
    assert len(digest_of(key.encode())) == 32


@pytest.mark.parametrize("text", ["", "mlops", "0A0a0a0a0a0a", "mlops_0a0a0_" + "ab" * 32, "0a0a0a0a0a0a-deadbeef"])
def test_what_is_no_id_is_refused_and_not_repeated(text: str):
    with pytest.raises(ValueError, match=r"^expected the id of a key") as refused:
        id_of(text)
    assert not re.search(r"[0-9a-f]{8}", str(refused.value))
