"""Ctrl-C stops a command wherever it falls."""

import signal
import time
import weakref

import pytest

from mlops import cli
from mlops.cli import Interrupted
from mlops.cli.edge import edge


class Thing:
    """Something with a finaliser."""


def test_ctrl_c_in_a_finaliser_is_not_lost(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    fallen = []

    def command(_arguments: list[str], **_options: object) -> None:
        thing = Thing()
        watch = weakref.ref(thing, lambda _: (fallen.append(1), signal.raise_signal(signal.SIGINT)))
        del thing  # Python drops what is raised in the callback
        assert watch() is None
        time.sleep(10)

    monkeypatch.setattr(cli, "app", command)
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert fallen, "the interrupt fell into the callback"
    assert stopped.value.code == 130
    assert capsys.readouterr().err == "mlops: interrupted; run the same command again to go on\n"


def test_an_interruption_is_one_though_cleaning_up_after_it_fails():
    def command() -> None:
        try:
            raise Interrupted
        finally:
            raise RuntimeError("the connection is in use")

    with pytest.raises(Interrupted), edge("mlops"):
        command()
