"""A question that is asked while the run goes on with something else."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

Answer = TypeVar("Answer")


def beside(ask: Callable[[], Answer]) -> Future[Answer]:
    """Ask in a thread of its own. It must only read: a run that fails does not wait for it.

    :returns: its `result()` waits for the answer, and raises what the question raised.
    """
    future: Future[Answer] = Future()

    def work() -> None:
        try:
            future.set_result(ask())
        except BaseException as error:  # whoever wants the answer gets it
            future.set_exception(error)

    threading.Thread(target=work, name="beside", daemon=True).start()
    return future
