"""Ctrl-C, SIGTERM and a closed terminal end a run between two commands, never inside one.

A step's undo must not race with a remote command that is still at work, so the first signal
only raises a flag; whoever waits or has just finished a command looks at it.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType

from .errors import Interrupted

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_asked: list[str] = []
_masked = 0
_looking = False


def _note(number: int, _frame: FrameType | None) -> None:
    _asked.append(signal.Signals(number).name)
    if _looking:
        return
    word = "taking back first" if _masked else "finishing the current command, then taking back"
    print(f"\n{_asked[-1]}: {word}; the site goes on answering", file=sys.stderr)


@contextlib.contextmanager
def listening() -> Iterator[None]:
    """Note signals while a task runs; the former handlers return afterwards."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    former = {number: signal.signal(number, _note) for number in _SIGNALS}
    _asked.clear()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)  # of a process that `held` has started
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def held() -> Iterator[None]:
    """A process that is started here keeps signals waiting until it listens."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)


@contextlib.contextmanager
def masked() -> Iterator[None]:
    """What must be whole (taking back, releasing the lock) is not interrupted."""
    global _masked
    _masked += 1
    try:
        yield
    finally:
        _masked -= 1


@contextlib.contextmanager
def only_looking() -> Iterator[None]:
    """Here nothing is taken back: a signal ends it after the current command, without a word."""
    global _looking
    former, _looking = _looking, True
    try:
        yield
    finally:
        _looking = former


@contextlib.contextmanager
def answering() -> Iterator[None]:
    """While a person is asked, Ctrl-C and the end of input end the question at once.

    :raises Interrupted: they came.
    """
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    except (KeyboardInterrupt, EOFError):
        raise Interrupted("the question was not answered", state="nothing was changed") from None
    finally:
        signal.signal(signal.SIGINT, former)


def last() -> signal.Signals:
    """The signal that came last; SIGINT where none has come."""
    return signal.Signals[_asked[-1]] if _asked else signal.SIGINT


def settled() -> None:
    """What the signals asked for has been done: the run was taken back."""
    _asked.clear()


def check() -> None:
    """:raises Interrupted: when a signal has come and nothing masks it."""
    if _asked and not _masked and threading.current_thread() is threading.main_thread():
        raise Interrupted(f"interrupted by {_asked[-1]}")


def pause(seconds: float) -> None:
    """Sleep, in short turns that look at the flag.

    :raises Interrupted: when a signal has come.
    """
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        check()
        time.sleep(min(0.1, left))
    check()
