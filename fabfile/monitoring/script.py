"""The script and the units that `monitor --install` puts on the server. Pure: text out."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable

from ..commands.templates import render
from ..probes.resources import APP_ERRORS, HARMLESS, NGINX_ERRORS
from ..settings import Page, Settings
from .schedule import SCHEDULE

PATIENCE = 10  # seconds until an answer counts as not come
KILOBYTES = 1024**2  # in a GB, as df -k counts


def folder_of(settings: Settings) -> str:
    """Where the script and what it remembers lie."""
    return f"{settings.folders.state}/monitor"


def unit_of(project: str) -> str:
    """The units' name; a server may have several sites.

    :param project: the compose project's name.
    """
    return f"deploy-monitor-{project}"


def script(settings: Settings, project: str, ca_file: str = "") -> str:
    """`monitor.sh`: every value in it is quoted for the shell, here and nowhere else.

    :param project: the compose project's name.
    :param ca_file: certificates to trust, on the server; empty: the server's own.
    """
    app, public, limits = settings.app, settings.public, settings.limits
    compose, expect, folders = settings.compose, settings.expect, settings.folders
    texts = {
        "folder": folder_of(settings),
        "ledger": f"{folders.state}/ledger.jsonl",
        "project": project,
        "nginx_service": compose.nginx,
        "database_service": compose.database,
        "app_service": compose.app,
        "blue": app.container_of("blue"),
        "green": app.container_of("green"),
        "scheme": public.scheme,
        "url": public.url,
        "port": str(public.port),
        "connect": settings.monitor.connect,
        "ca_file": ca_file,
        "health_path": app.health_path,
        "health_words": _health_words(settings),
        "harmless": "|".join(f"({one})" for one in (*HARMLESS, *expect.harmless_lines)),
        "nginx_errors": NGINX_ERRORS,
        "app_errors": APP_ERRORS,
    }
    return render(
        "monitor.sh.j2",
        {name: shlex.quote(text) for name, text in texts.items()}
        | {
            "name": _comment(settings.name),
            "periods": "\n".join(f"{p.until} {p.every} {p.name}" for p in SCHEDULE),
            "left_out": [_pattern(entry) for entry in settings.monitor.leave_out],
            "health_patterns": " | ".join(_member("status", one) for one in app.health_status),
            "database_pattern": _member("database", app.health_database)
            if app.health_database
            else "",
            "pages": [_page(path, page) for path, page in public.pages.items()],
            "places": shlex.join([folders.project, folders.backups, "/var/lib/docker"]),
            "patience": PATIENCE,
            "response_seconds": f"{limits.response_seconds:g}",
            "certificate_days": public.certificate_days,
            "error_lines": expect.error_lines,
            "error_percent": f"{limits.error_percent:g}",
            "memory_percent": limits.memory_percent,
            "disk_full_percent": limits.disk_full_percent,
            "free_disk_gb": f"{limits.free_disk_gb:g}",
            "free_disk_kb": f"{limits.free_disk_gb * KILOBYTES:.0f}",
            "calm_rounds": settings.monitor.calm_rounds,
        },
    )


def units(settings: Settings, unit: str, user: str) -> dict[str, str]:
    """The timer's two files by name.

    :param user: who the script runs as: one who may use the engine.
    """
    values = {
        "name": _comment(settings.name).replace("%", "%%"),
        "user": user,
        "script": _for_systemd(f"{folder_of(settings)}/monitor.sh"),
    }
    return {f"{unit}.{kind}": render(f"monitor.{kind}.j2", values) for kind in ("service", "timer")}


def cron_line(settings: Settings) -> str:
    """What does the same where there is no systemd."""
    path = shlex.quote(f"{folder_of(settings)}/monitor.sh").replace("%", r"\%")
    return f"* * * * * /bin/sh {path} >/dev/null 2>&1"


def _health_words(settings: Settings) -> str:
    app = settings.app
    words = ["200"] if not app.health_status else [f"status {' or '.join(app.health_status)}"]
    return " and ".join(words + [f"database {app.health_database}"] * bool(app.health_database))


def _page(path: str, page: Page) -> str:
    words = " or ".join(map(str, page.status)) + (f" with {page.contains}" if page.contains else "")
    return shlex.join([path, " ".join(map(str, page.status)), page.contains, words])


def _member(name: str, value: str) -> str:
    """A pattern of `case` for a member of JSON without its spaces."""
    flat = re.sub(r"\s", "", value)
    member = f'"{name}":"{flat}"'
    return f"*{shlex.quote(member)}*"


def _pattern(entry: str) -> str:
    """A pattern of `case` for a group's checks, or for one of them."""
    return shlex.quote(entry) if ":" in entry else shlex.quote(f"{entry}: ") + "*"


def _for_systemd(path: str) -> str:
    r"""Quoted for ExecStart: \ and " as in C, and no % or $ that would be filled in."""
    marks: Iterable[tuple[str, str]] = (("\\", r"\\"), ('"', r"\""), ("%", "%%"), ("$", "$$"))
    for mark, escaped in marks:
        path = path.replace(mark, escaped)
    return f'"{path}"'


def _comment(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text)
