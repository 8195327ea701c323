"""The meter around a task that moves visitors: it starts before, and ends after, everything."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from .. import interrupts
from ..documents.report import LogCount
from ..errors import DeployError
from ..probes.measurement import Measurement
from ..probes.meter import Meter
from ..probes.witness import access_log
from ..site import Site
from .record import traffic
from .recorded import recorded

RESENT = (
    "resent: leaving nginx workers closed connections under requests; nginx 1.27.4 and later keep "
    "them with keepalive_min_timeout, which the rendered configuration sets where it is known"
)


@contextlib.contextmanager
def measured(site: Site) -> Iterator[None]:
    """Measure the public site while the body runs; the figures are printed however it ends, and
    the run's report is written.

    A task inside another shares its meter.
    """
    if site.meter:
        yield
        return
    with recorded(site), _metered(site):
        yield


@contextlib.contextmanager
def _metered(site: Site) -> Iterator[None]:
    since = site.server.now()
    meter = Meter(site.settings, second_witness=site.live.answers_inside)
    site.meter, site.console.gauge = meter, meter.gauge
    meter.start()
    meter.mark("before")
    try:
        yield
    finally:
        site.meter, site.console.gauge = None, None
        with interrupts.masked():
            site.measurements.append(meter.stop())
            site.recorder.traffic.append(traffic(site.measurements[-1], site.recorder.began))
            _say(site, site.measurements[-1], since)


def _say(site: Site, measurement: Measurement, since: str) -> None:
    site.console.line()
    site.console.line("Measured in this run:", style="bold")
    for line in measurement.lines():
        site.console.line(f"• {line}")
    for failure in measurement.failures:
        site.console.note(f"  {failure}")
    if measurement.resent:
        site.console.line(f"• {RESENT}", style="yellow")
    try:
        _say_second_witness(site, since)
    except DeployError as error:  # it must not hide why the run itself failed
        site.console.line(f"• nginx's log could not be read: {error.reason}")


def _say_second_witness(site: Site, since: str) -> None:
    counts = access_log(site.server, site.nginx.container.name, since)
    for colour, release in sorted({(c.colour, c.release) for c in counts}):
        ours = [c for c in counts if (c.colour, c.release) == (colour, release)]
        total = sum(c.count for c in ours)
        failed = sum(c.count for c in ours if c.status >= 500)
        site.recorder.visitors.append(
            LogCount(colour=colour, release=release, requests=total, failed=failed)
        )
        site.console.line(
            f"• nginx's log, all visitors: {_named(colour, release)}: {total:,} requests, "
            f"{failed:,} answered 5xx"
        )


def _named(colour: str, release: str) -> str:
    return f"{colour} {release}" if colour else "by the site's own configuration"
