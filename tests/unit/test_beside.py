"""A question that is asked while the run goes on."""

from __future__ import annotations

import threading

import pytest

from fabfile.beside import Beside
from fabfile.errors import CommandFailed, ServerUnreachable


def test_the_run_goes_on_until_it_wants_the_answer() -> None:
    begun, may = threading.Event(), threading.Event()

    def ask() -> str:
        begun.set()
        assert may.wait(10)
        return "figures"

    question = Beside(ask)
    assert begun.wait(10), "it is asked at once"
    may.set()
    assert question.result() == "figures"


def test_what_it_raises_is_raised_where_the_answer_is_wanted() -> None:
    def ask() -> None:
        raise CommandFailed("docker stats", 1, "no figures")

    question = Beside(ask)
    with pytest.raises(CommandFailed, match="docker stats"):
        question.result()


@pytest.mark.parametrize("cuts", [1, 2])
def test_it_is_asked_once_more_where_the_session_was_cut(cuts: int) -> None:
    asked: list[int] = []

    def ask() -> str:
        asked.append(1)
        if len(asked) <= cuts:
            raise ServerUnreachable("the connection was lost")
        return "figures"

    question = Beside(ask)
    if cuts == 1:
        assert question.result() == "figures"
    else:
        with pytest.raises(ServerUnreachable):
            question.result()
    assert len(asked) == 2
