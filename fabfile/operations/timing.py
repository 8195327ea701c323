"""The parts of a request to the public site, over several samples, as percentiles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from .. import interrupts
from ..documents.timing import Figures, Phases, Timing
from ..errors import BadSettings, DeployError
from ..probes.request_phases import Sample, Stopwatch
from ..probes.timing import BAD_IN_A_ROW, LIMITER_PAUSE, percentile
from ..report.columns import columns
from ..report.words import milliseconds, size
from ..site import Site
from .logs import number_of

PAUSE = 0.05  # seconds between two requests: a visitor, no load
MOST_SAMPLES = 1000
_NAMES = {
    "dns": "name lookup",
    "connect": "TCP connect",
    "tls": "TLS handshake",
    "wait": "first byte",
    "transfer": "transfer",
    "total": "total",
}


def timing(site: Site, *, path: str, samples: str, as_document: bool = False) -> None:
    """Send the requests one after another, and print what each part took.

    :param samples: how many; empty: the settings' number.
    :raises BadSettings: an option cannot be read; nothing was contacted.
    :raises DeployError: no good answer came.
    """
    number = number_of(samples, "--samples", MOST_SAMPLES) or site.settings.look.timing_samples
    if not path.startswith("/") or set(path) & set(" #\r\n"):
        raise BadSettings(f"--path is {path!r}; allowed: a path from /, without spaces and #")
    stopwatch = Stopwatch(site.settings.public)
    seen = _measure(stopwatch, path, number)
    host, port = stopwatch.there
    found = summed_up(seen, f"{site.settings.public.url}{path}", f"{host}:{port}")
    if as_document:
        found.show()
    else:
        _show(site, found)
    if not found.samples:
        raise DeployError(
            f"no good answer from {found.url} at {found.address}",
            evidence="\n".join(f"{count} × {what}" for what, count in found.failures.items()),
            state="nothing was changed",
            next_command="fab health, fab status",
        )


def _measure(stopwatch: Stopwatch, path: str, number: int) -> list[Sample]:
    """As many good samples; a few bad ones in a row end it, for a site that is down."""
    seen: list[Sample] = []
    while sum(sample.ok for sample in seen) < number and len(seen) < 2 * number:
        if len(seen) >= BAD_IN_A_ROW and not any(sample.ok for sample in seen[-BAD_IN_A_ROW:]):
            break
        interrupts.check()
        seen.append(stopwatch.sample(path))
        interrupts.pause(LIMITER_PAUSE if seen[-1].limited else PAUSE)
    return seen


def summed_up(seen: Sequence[Sample], url: str, address: str) -> Timing:
    """The document of these samples."""
    good = [sample for sample in seen if sample.ok]
    bad = [sample for sample in seen if not sample.ok]
    failures = Counter(
        sample.error or f"{sample.status}{' (rate limit)' * sample.limited}" for sample in bad
    )
    return Timing(
        url=url,
        address=address,
        samples=len(good),
        failed=len(bad),
        failures=dict(failures),
        statuses=dict(Counter(str(sample.status) for sample in seen if sample.status)),
        size=good[-1].size if good else None,
        phases=_phases(good) if good else None,
    )


def _phases(good: Sequence[Sample]) -> Phases:
    secured = [sample.tls for sample in good if sample.tls is not None]
    return Phases(
        dns=_figures([sample.dns for sample in good]),
        connect=_figures([sample.connect for sample in good]),
        tls=_figures(secured) if secured else None,
        wait=_figures([sample.wait for sample in good]),
        transfer=_figures([sample.transfer for sample in good]),
        total=_figures([sample.total for sample in good]),
    )


def _figures(seconds: Sequence[float]) -> Figures:
    ordered = [round(value, 6) for value in sorted(seconds)]
    p50, p90, p95, p99 = (percentile(ordered, percent) for percent in (50, 90, 95, 99))
    return Figures(minimum=ordered[0], p50=p50, p90=p90, p95=p95, p99=p99, maximum=ordered[-1])


def _show(site: Site, found: Timing) -> None:
    answers = ", ".join(f"{count} × {status}" for status, count in found.statuses.items())
    body = "" if found.size is None else f", {size(found.size)}"
    site.console.line(f"{found.url} at {found.address}: {answers or 'no answer'}{body}")
    if found.phases:
        head = ("", "min", "p50", "p90", "p95", "p99", "max")
        rows = [
            (_NAMES[name], *(milliseconds(value) for value in figures.values()))
            for name, figures in found.phases.model_dump(exclude_none=True).items()
        ]
        columns(site.console, head, rows, right=head[1:])
    if found.failed and found.samples:
        for what, count in found.failures.items():
            site.console.warn(f"{count} × {what}")
