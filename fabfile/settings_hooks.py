"""Settings of the hooks: which program runs at which moment, and what its failure means."""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import Field, model_validator

from .settings_model import Model
from .settings_types import Seconds, Word

PhaseName = Literal[
    "deploy",
    "assess-infrastructure",
    "run-migration",
    "blue-green-deploy",
    "validate-deployment",
    "rollback",
    "rollback --full",
    "restore",
    "restore --undo",
]
VARIABLES = "DEPLOY_HOOK_"  # how their names begin; they are no settings
PHASES: tuple[str, ...] = get_args(PhaseName)
When = Literal["before", "after", "failed"]
# Nobody is sent to where they came from because of a hook after a way back.
WAYS_BACK = ("rollback", "rollback --full", "restore", "restore --undo")


class Hook(Model):
    """A program or a Python function of yours, run on this machine."""

    phase: Literal[PhaseName, "*"] = Field(
        description="`rollback` is its --full too, `restore` its --undo; '*', in quotes: each"
    )
    when: When = Field(
        description="before: nothing of the phase is done yet; after: all of it; failed: the run "
        "has failed, and is taken back",
    )
    run: Word = Field(
        description="path of an executable, from the folder that the command is given in, or "
        "module:function"
    )
    timeout: Seconds = Field(60, description="seconds, after which it is ended")
    on_failure: Literal["stop", "warn"] = Field(
        "warn", description="stop: before: the phase does not begin; after: it is taken back"
    )

    @model_validator(mode="after")
    def stops_what_can_be_stopped(self) -> Hook:
        if self.on_failure == "stop" and self.when == "failed":
            raise ValueError("on_failure is 'stop' with when 'failed'; allowed: warn")
        if self.on_failure == "stop" and self.when == "after" and self.phase in WAYS_BACK:
            raise ValueError(
                f"on_failure is 'stop' after {self.phase}, which is the way back; allowed: warn"
            )
        return self

    def at(self, phase: str, when: When) -> bool:
        """Whether it runs at this moment of this phase."""
        named = self.phase in ("*", phase, phase.partition(" ")[0])
        return named and self.when == when
