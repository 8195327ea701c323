"""What can go wrong, in few types: each carries its reason, evidence, state and next command."""

from __future__ import annotations


class DeployError(Exception):
    """A task was refused or failed before it had changed anything (exit code 1).

    :param reason: one line: what failed.
    :param evidence: what was seen, verbatim (a body, log lines, nginx's own words).
    :param state: what state the site is in now, one line.
    :param next_command: what to type next.
    :param trigger: the rollback trigger that fired, in the guide's words; empty for none.
    :param taken_back: what was taken back, and how long that took.
    """

    exit_code = 1

    def __init__(
        self,
        reason: str,
        *,
        evidence: str = "",
        state: str = "",
        next_command: str = "",
        trigger: str = "",
        taken_back: str = "",
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.evidence = evidence.strip()
        self.state = state
        self.next_command = next_command
        self.trigger = trigger
        self.taken_back = taken_back


class BadSettings(DeployError):
    """A setting or an option is wrong; nothing was contacted (exit code 2)."""

    exit_code = 2


class WrongSetting(BadSettings):
    """A setting's value, right in itself, names nothing that is there or can be used.

    :param setting: its name below `site:`; whoever knows the files puts their line in front.
    :param allowed: what is allowed, in words.
    :param found: what is wrong with it.
    """

    def __init__(
        self, setting: str, value: str, allowed: str, *, found: str = "", **more: str
    ) -> None:
        found = f": {found}" if found else ""
        super().__init__(f"site.{setting} is {value!r}{found}; allowed: {allowed}", **more)
        self.setting = setting


class TakenBack(DeployError):
    """The task failed after it had changed something, and took that back by itself: the site is
    on its former release (exit code 3)."""

    exit_code = 3


class ValidationFailed(DeployError):
    """Critical checks of a validation failed, or a hook after it: the reason to take a release
    back."""


class NeedsPerson(DeployError):
    """The task cannot go on alone; the message says what for (exit code 4)."""

    exit_code = 4


class LockLost(NeedsPerson):
    """Another run has taken the lock over: nothing more may be touched, not even to take back."""


class ServerUnreachable(DeployError):
    """No SSH session: name, network, host key or sign-in."""


class ConnectionLost(ServerUnreachable):
    """There was a session, and it went while something was under way."""


class HostKeyRefused(ServerUnreachable):
    """The server answers, but is not known, or is not who it was."""


class SignInRefused(ServerUnreachable):
    """The server answers and is known, but does not let us in."""


class CommandFailed(DeployError):
    """A command on the server ended with another exit code than 0.

    :param command: the command line as it was run.
    :param exit_code_seen: what it ended with (124 and 137 are a time limit's).
    :param output: what it printed, both streams.
    """

    def __init__(self, command: str, exit_code_seen: int, output: str) -> None:
        limit = " (time limit)" if exit_code_seen in (124, 137) else ""
        super().__init__(
            f"on the server, exit code {exit_code_seen}{limit}: {command}",
            evidence=output[-4000:],
        )
        self.exit_code_seen = exit_code_seen
        self.output = output


class Interrupted(DeployError):
    """Ctrl-C, SIGTERM or a closed terminal; the step under way is taken back."""
