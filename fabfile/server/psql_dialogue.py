"""A database session through psql in the container, where the server forbids forwarding."""

from __future__ import annotations

import uuid

import paramiko

from .sql_session import explained


class PsqlWire:
    """A dialogue with one psql process over a raw channel; it needs psql 13 or newer.

    :param channel: psql's, as `commands.postgres.psql` starts it.
    :param limit: seconds to wait for one answer; more than the statements' own time limit.
    """

    def __init__(self, channel: paramiko.Channel, limit: float) -> None:
        self.channel = channel
        self.channel.settimeout(limit)
        self._answer = self.channel.makefile("rb")
        self._complaint = self.channel.makefile_stderr("rb")

    def send(self, sql: str) -> str:
        # \gexec sends the text as one message, as psycopg2 does: an error ends all of it, and
        # nothing in it is read as a psql command or variable.
        text = sql.replace("'", "''")
        return self._ask(f"SELECT '{text}'\n\\gexec\n")

    def roll_back(self) -> None:
        self._ask("ROLLBACK;\n")

    def close(self) -> None:
        self.channel.close()

    def _ask(self, line: str) -> str:
        mark = uuid.uuid4().hex
        end = f"\\echo {mark} :ERROR :SQLSTATE\n\\warn {mark}\n"
        try:
            self.channel.sendall((line + end).encode())
            body, verdict = _until(self._answer, mark)
            words, _ = _until(self._complaint, mark)
        except OSError as error:  # a time-out of the channel is one too
            raise explained("", f"psql does not answer: {error}") from None
        if not verdict:
            raise explained("", f"psql has ended: {words}")
        failed, code = verdict.split()[1:]
        if failed == "true":
            raise explained(code, words)
        return body


def _until(stream: paramiko.ChannelFile, mark: str) -> tuple[str, str]:
    """What came before the line with the mark, and that line; empty at the end of the stream."""
    seen: list[str] = []
    while line := stream.readline():
        text = line.decode(errors="replace")
        if text.startswith(mark):
            return "".join(seen).rstrip("\n"), text
        seen.append(text)
    return "".join(seen).rstrip("\n"), ""
