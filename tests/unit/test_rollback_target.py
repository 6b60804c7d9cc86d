"""Rolling back goes from champion to champion, and comes to an end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops.training.promote import ChampionMove, rollback_target


def _moves(*versions: int, gone: int = 0) -> list[ChampionMove]:
    return [ChampionMove(version, False, version != gone) for version in versions]


def _rolled_back(moves: list[ChampionMove]) -> list[int]:
    """Every version that rollbacks lead to, one after another."""
    found: list[int] = []
    while (version := rollback_target(moves)) is not None:
        found.append(version)
        moves = [*moves, ChampionMove(version, True, True)]
    return found


@pytest.mark.parametrize(
    ("moves", "back"),
    [
        ([], []),
        (_moves(1), []),
        (_moves(1, 2, 3), [2, 1]),
        (_moves(1, 2, 3, 2), [3, 2, 1]),
        (_moves(1, 2, 1), [2, 1]),
        (_moves(1, 2, 2), [1]),
        (_moves(1, 2, 3, 4, gone=3), [2, 1]),
        (_moves(1, 2, 3, gone=3), [2, 1]),
        (_moves(1, 2, 1, 3, 4, gone=3), [1, 2, 1]),
        (_moves(1, 2, 1, gone=2), []),
        ([*_moves(1, 2), ChampionMove(1, True, True), *_moves(3)], [1]),
        ([*_moves(1), ChampionMove(2, True, True)], []),
    ],
    ids=[
        "no champion",
        "the first",
        "one after another",
        "one twice",
        "back by hand",
        "set again",
        "over a deleted one",
        "of a deleted one",
        "over a deleted one to one that was twice",
        "nothing but itself",
        "after a rollback",
        "back to one that nobody saw",
    ],
)
def test_a_rollback_leads_to_the_champion_before(moves: list[ChampionMove], back: list[int]):
    assert _rolled_back(moves) == back


@given(st.lists(st.builds(ChampionMove, st.integers(1, 4), st.just(False), st.booleans()), max_size=12))
def test_rollbacks_come_to_an_end_and_every_one_changes_the_champion(moves: list[ChampionMove]):
    back = _rolled_back(moves)
    assert len(back) < max(len(moves), 1)
    now = [move.version for move in moves[-1:]]
    assert all(one != other for one, other in zip([*now, *back], back, strict=False))
