"""Records what an operator sees: a deploy, one that fails, and a rollback, 100 columns wide.

`make recordings` runs the three in the lab and writes, for each, docs/recordings/NAME.cast (what
asciinema plays), NAME.txt and NAME.svg (what stands on the terminal at the end).
"""

from __future__ import annotations

import fcntl
import io
import json
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Mapping
from pathlib import Path

import pyte
from rich.console import Console
from rich.text import Text

from lab import server as lab

ROOT = Path(__file__).parent.parent
RECORDINGS = ROOT / "docs/recordings"
COLUMNS, LINES = 100, 40
TALL = 400  # lines of the emulated terminal: the end of a run is looked at whole
_COLOURS = {"brown": "yellow", "brightbrown": "bright_yellow"}


BROKEN = Path(tempfile.gettempdir()) / "broken-app"  # a short name: the recording shows it
SCENES: tuple[tuple[str, tuple[str, ...], int], ...] = (
    ("deploy", ("deploy",), 0),
    ("failed-deploy", ("deploy", f"--set=source.folder={BROKEN}"), 3),
    ("rollback", ("rollback",), 0),
)


def main() -> int:
    """Bring the lab to plain production, and record each scene in its order.

    :returns: 0 if each ended with the exit code that belongs to it.
    """
    server = lab.up(say=print)
    lab.reset(say=print)
    _break(BROKEN)
    RECORDINGS.mkdir(exist_ok=True)
    wrong = 0
    for name, command, code in SCENES:
        argv = ["fab", "-f", "lab/settings.yaml", "-H", server.host, *command]
        output, ended = record(argv, server.environment, RECORDINGS / f"{name}.cast")
        wrong += ended != code
        _draw(screen_of(output), " ".join(argv), RECORDINGS / name)
        print(f"{name}: exit code {ended}, wanted {code}")
    shutil.rmtree(BROKEN)
    return bool(wrong)


def _break(folder: Path) -> None:
    """A working copy of the app whose main page fails, which is seen only after the switch."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "lab/site/app", folder)
    (folder / "faults").write_text("home-broken\nbehind-nginx\n")
    who = ["-c", "user.name=lab", "-c", "user.email=lab@localhost"]
    for argv in (["init", "-q"], ["add", "-A"], [*who, "commit", "-q", "-m", "Break the page"]):
        subprocess.run(["git", *argv], cwd=folder, check=True)


def _draw(text: Text, title: str, path: Path) -> None:
    """As text, and as a picture."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(text, soft_wrap=True)
    path.with_suffix(".txt").write_text(console.export_text(clear=False))
    # Without rich's fonts, which a picture would fetch from the network.
    picture = re.sub(r"@font-face \{.*?\}\s*", "", console.export_svg(title=title), flags=re.DOTALL)
    path.with_suffix(".svg").write_text(picture.replace("Fira Code", "DejaVu Sans Mono"))


def record(argv: list[str], environment: Mapping[str, str], cast: Path) -> tuple[str, int]:
    """Run a command at a terminal of its own.

    :param cast: the file to write, asciicast v2 (docs.asciinema.org/manual/asciicast/v2).
    :returns: everything that it wrote, and its exit code.
    """
    pid, end = pty.fork()
    if pid == 0:
        os.chdir(ROOT)
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        os.execve(
            Path(sys.executable).with_name(argv[0]),
            argv,
            {**os.environ, "TERM": "xterm-256color", **environment},
        )
    began, waiting = time.monotonic(), b""
    events: list[tuple[float, str, str]] = []
    while True:
        select.select([end], [], [])
        try:
            waiting += os.read(end, 65536)
        except OSError:  # Linux says so when the other end is closed
            break
        text, waiting = _whole(waiting)
        events.append((round(time.monotonic() - began, 3), "o", text))
    _, status = os.waitpid(pid, 0)
    os.close(end)
    header = {"version": 2, "width": COLUMNS, "height": LINES, "command": " ".join(argv)}
    cast.write_text("".join(json.dumps(part) + "\n" for part in [header, *events]))
    return "".join(event[2] for event in events), os.waitstatus_to_exitcode(status)


def _whole(data: bytes) -> tuple[str, bytes]:
    """As much as is whole characters, and the rest."""
    for cut in range(len(data), max(len(data) - 4, -1), -1):
        try:
            return data[:cut].decode(), data[cut:]
        except UnicodeDecodeError:
            continue
    return data.decode(errors="replace"), b""


def screen_of(output: str) -> Text:
    """What stands on the terminal at the end, with its colours."""
    screen = pyte.Screen(COLUMNS, TALL)
    pyte.Stream(screen).feed(output)
    lines = [_line(screen.buffer[row]) for row in range(TALL)]
    while lines and not lines[-1].plain:
        lines.pop()
    return Text("\n").join(lines)


def _line(row: Mapping[int, pyte.screens.Char]) -> Text:
    line = Text()
    for column in range(COLUMNS):
        char = row[column]
        words = [
            word for word in ("bold", "italics", "underscore", "reverse") if getattr(char, word)
        ]
        colour = _COLOURS.get(char.fg, char.fg)
        if colour != "default":
            words.append(colour.replace("bright", "bright_") if "_" not in colour else colour)
        line.append(char.data, " ".join(words).replace("italics", "italic"))
    line.rstrip()
    return line


if __name__ == "__main__":
    sys.exit(main())
