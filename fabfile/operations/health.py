"""Each colour's health from inside, and the site's from outside."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import shorten
from typing import Literal

from ..documents.health import Health, HealthCheck
from ..errors import DeployError, Interrupted, ServerUnreachable
from ..probes.http import Answer, Visitor, direct, healthy
from ..report.columns import columns
from ..report.words import milliseconds
from ..server.containers import Container
from ..settings import COLOURS, App, Colour
from ..site import Site
from .chosen import sources

_MARKS = {True: "✅", False: "❌", None: "–"}
_SHOWN = 120  # characters of an answer


def health(site: Site, *, as_document: bool = False) -> None:
    """Ask everywhere, and say what came.

    :raises DeployError: the public address or the live colour is not healthy.
    """
    checks = list(_checks(site))
    bad = [check for check in checks if _counts(check) and check.healthy is not True]
    if as_document:
        Health(healthy=not bad, checks=checks).show()
    else:
        head = ("", "asked", "status", "time", "engine says", "answer")
        columns(site.console, head, map(_row, checks), right=("time",))
    if bad:
        raise DeployError(
            f"not healthy: {', '.join(map(_place, bad))}",
            evidence="\n".join(f"{_place(check)}: {check.found}" for check in bad),
            state="nothing was changed",
            next_command="fab logs, fab status; fab rollback takes visitors to the former release",
        )


def _checks(site: Site) -> Iterator[HealthCheck]:
    site.server.open()
    settings = site.settings
    public, app, path = settings.public, settings.app, settings.app.health_path
    visitor = Visitor(public)
    answer = visitor.ask(path)
    colour = answer.colour or None
    yield _answered(app, "public", answer, colour, public.url + path, live=True)
    try:
        live = site.live.read().colour
    except (Interrupted, ServerUnreachable):
        raise
    except DeployError as error:
        live = None
        yield _silent(None, error.reason, live=True)
    named = sources(site.containers.all(), settings)
    for one in COLOURS:
        container = named.get(one)
        yield _inside(site, one, container, live=one == live)
        if settings.nginx.manage == "whole" and container:
            answer = visitor.ask(f"/{one}{path}")
            # Only our own template has these paths; where nginx is down, that is said already.
            if answer.status not in (0, 301, 302, 404):
                asked = f"{public.url}/{one}{path}"
                check = _answered(app, "nginx", answer, one, asked, live=one == live)
                rests = {"healthy": None, "found": "it does not run"}
                yield check if container.running else check.model_copy(update=rests)


def _inside(site: Site, colour: Colour, container: Container | None, *, live: bool) -> HealthCheck:
    if container is None or not container.running:
        return _silent(colour, container.status if container else "none", live=live)
    app, host = site.settings.app, container.address
    answer = direct(site.server, host, app.port, app.health_path)
    asked = f"http://{host}:{app.port}{app.health_path}"
    check = _answered(app, "container", answer, colour, asked, live=live)
    return check.model_copy(update={"engine": container.health or None})


def _answered(
    app: App,
    where: Literal["public", "nginx", "container"],
    answer: Answer,
    colour: str | None,
    asked: str,
    *,
    live: bool,
) -> HealthCheck:
    problem = healthy(answer, app)
    return HealthCheck(
        where=where,
        colour=colour,
        live=live,
        asked=asked,
        status=answer.status or None,
        seconds=round(answer.seconds, 6) if answer.status else None,
        engine=None,
        healthy=not problem,
        found=problem or shorten(answer.body, _SHOWN, placeholder=" …") or "no body",
    )


def _silent(colour: Colour | None, found: str, *, live: bool) -> HealthCheck:
    """Nobody could be asked; only what is live must be there."""
    return HealthCheck(
        where="container",
        colour=colour,
        live=live,
        asked=None,
        status=None,
        seconds=None,
        engine=None,
        healthy=False if live else None,
        found=found,
    )


def _counts(check: HealthCheck) -> bool:
    """The idle colour may rest or be ill; a colour's path through nginx says nothing of its own."""
    return check.where == "public" or (check.where == "container" and check.live)


def _row(check: HealthCheck) -> tuple[str, ...]:
    return (
        _MARKS[check.healthy],
        _place(check),
        str(check.status or "-"),
        milliseconds(check.seconds) if check.seconds is not None else "-",
        check.engine or "-",
        check.found,
    )


def _place(check: HealthCheck) -> str:
    """`public`, `green (live)`, `green through nginx`."""
    if check.where == "public":
        return "public"
    if check.where == "nginx":
        return f"{check.colour} through nginx"
    return f"{check.colour or 'live colour'}{' (live)' if check.live and check.colour else ''}"
