"""What `--json` prints: one document a task, each a model whose schema docs/schemas/ has."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict


class Document(BaseModel):
    """A document that a program reads: nothing in it is optional, so nothing has to be guessed.

    A value that is not known is null; times are UTC in ISO 8601, durations in seconds, sizes in
    bytes. `command` is the task, with its option, that prints it; its schema is named after that.
    """

    # Most commands print none or one of them: each is prepared when it is first made.
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)
    command: ClassVar[str] = ""

    def show(self) -> None:
        """Print it on standard output, whole and alone."""
        print(self.model_dump_json(indent=2))
