"""What `--json` prints: one document a task, each a model whose schema docs/schemas/ has."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Document(BaseModel):
    """A document that a program reads: nothing in it is optional, so nothing has to be guessed.

    A value that is not known is null; times are UTC in ISO 8601, durations in seconds, sizes in
    bytes.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    def show(self) -> None:
        """Print it on standard output, whole and alone."""
        print(self.model_dump_json(indent=2))
