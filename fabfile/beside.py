"""A question that is asked while the run goes on with something else."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

from .errors import ServerUnreachable

Answer = TypeVar("Answer")


class Beside(Generic[Answer]):
    """Asks in a thread of its own. It must only read: a run that fails does not wait for it.

    :param ask: the question.
    """

    def __init__(self, ask: Callable[[], Answer]) -> None:
        self._ask = ask
        self._answer: Future[Answer] = Future()
        threading.Thread(target=self._work, name="beside", daemon=True).start()

    def result(self) -> Answer:
        """Wait for the answer; where the session was cut under the question, ask once more.

        :raises DeployError: whatever the question raises.
        """
        try:
            return self._answer.result()
        except ServerUnreachable:
            return self._ask()

    def _work(self) -> None:
        try:
            self._answer.set_result(self._ask())
        except BaseException as error:  # whoever wants the answer gets it
            self._answer.set_exception(error)
