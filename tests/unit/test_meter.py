"""The meter against small servers on loopback that break in the middle of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from fabfile.probes import meter as meter_module
from fabfile.probes.answer import Answer
from fabfile.probes.http import Visitor
from fabfile.probes.measurement import Measurement
from fabfile.probes.meter import Meter
from fabfile.probes.tally import RESERVOIR, Tally
from fabfile.settings import Settings

NGINX_503 = b"<center><h1>503 Service Temporarily Unavailable</h1></center><center>nginx</center>"


class Site:
    """Plain HTTP on loopback: `state` decides what every request meets."""

    def __init__(self) -> None:
        self.state = "good"
        self.release = ""
        self.drop_kept = 0  # so many requests that come over a used connection meet its end
        self.paths: list[str] = []
        self.ports: list[int] = []
        self.free = threading.Event()
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                port = self.client_address[1]
                used = port in site.ports
                site.paths.append(self.path)
                site.ports.append(port)
                state = site.state
                if used and site.drop_kept:
                    site.drop_kept -= 1
                    state = "close"
                if state == "close":
                    self.close_connection = True
                    return
                if state == "hang":
                    site.free.wait(20)
                status = {"error": 500, "missing": 404, "limited": 503}.get(state, 200)
                body = NGINX_503 if state == "limited" else b"body"
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                if site.release:
                    self.send_header("X-Deploy-Release", site.release)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                pass

        self.server = Quiet(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def wait_for(self, requests: int) -> None:
        """Until that many more requests have come."""
        wanted, end = len(self.paths) + requests, time.monotonic() + 10
        while len(self.paths) < wanted:
            assert time.monotonic() < end, "the meter sends nothing"
            time.sleep(0.01)


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A site; the meter's visitors ask it over plain HTTP, to leave TLS to its own tests."""
    site = Site()
    ask = Visitor.ask

    def plainly(self: Visitor, path: str, **options: Any) -> Answer:
        return ask(self, path, **{**options, "scheme": "http"})

    monkeypatch.setattr(Visitor, "ask", plainly)
    yield site
    site.free.set()
    site.server.shutdown()
    site.server.server_close()


def settings(site: Site, **values: Any) -> Settings:
    chosen = {"requests_per_second": 100, "connections": 4, "timeout": 1, **values}
    public = {"domain": "site.test", "connect_http": site.address}
    limits = {"response_seconds": 0.1}  # less than any time limit
    return Settings.model_validate({"public": public, "meter": chosen, "limits": limits})


def run(
    site: Site, *states: str, witness: Callable[[], bool] | None = None, **values: Any
) -> Measurement:
    """Run the meter through these states of the site, twelve requests in each."""
    meter = Meter(settings(site, **values), second_witness=witness)
    site.state = states[0]
    meter.start()
    for state in states:
        site.state = state
        site.wait_for(12)
    return meter.stop()


def test_a_good_site_has_no_failure_and_every_request_is_accounted_for(site: Site) -> None:
    found = run(site, "good")

    assert found.sent == found.answered == len(site.paths) >= 12
    assert (found.failed, found.limited, found.resent, found.failures) == (0, 0, 0, ())
    assert found.by_release == {"former": found.sent}
    assert found.timing("before").samples == found.sent
    assert set(site.paths) == {"/", "/login", "/api/health"}
    assert found.lines()[0].startswith(f"{found.sent} requests, 0 failed, 0 res")


def test_half_the_connections_are_kept_alive_and_the_others_new_each_time(site: Site) -> None:
    found = run(site, "good", "good")
    used = {port: site.ports.count(port) for port in site.ports}

    assert sum(times > 1 for times in used.values()) == 2  # two kept alive, all along
    assert sum(times == 1 for times in used.values()) >= found.sent // 2 - 2


def test_errors_and_unexpected_statuses_fail_at_the_site_without_a_witness(site: Site) -> None:
    asked: list[str] = []

    def witness() -> bool:
        asked.append("asked")
        return True

    found = run(site, "error", "missing", "good", witness=witness)

    assert found.failed >= 24
    assert {failure.what for failure in found.failures} == {"500", "404"}
    assert found.by_where == {"site": found.failed}
    assert asked == []  # an HTTP answer is always the site's
    assert found.answered == found.sent


def test_a_status_that_the_settings_allow_is_good(site: Site) -> None:
    chosen = settings(site)
    pages = {path: {"status": [404]} for path in chosen.meter.paths}
    values = {**chosen.model_dump(), "public": {**chosen.public.model_dump(), "pages": pages}}
    site.state = "missing"
    with Meter(Settings.model_validate(values)) as meter:
        site.wait_for(8)
    found = meter.stop()

    assert (found.failed, found.answered) == (0, found.sent)


def test_the_rate_limiter_is_counted_apart_and_said(site: Site) -> None:
    found = run(site, "good", "limited")

    assert found.failed == 0
    assert found.limited >= 10
    assert any("turned away by the rate limit" in line for line in found.lines())


def test_a_kept_connection_closed_under_a_request_is_resent_and_no_failure(site: Site) -> None:
    meter = Meter(settings(site))
    meter.start()
    site.wait_for(12)
    site.drop_kept = 5
    site.wait_for(40)
    found = meter.stop()

    assert (site.drop_kept, found.resent, found.failed) == (0, 5, 0)
    assert found.sent == found.answered == len(site.paths) - 5
    assert ", 0 failed, 5 resent; " in found.lines()[0]


@pytest.mark.parametrize(
    ("word", "where", "said"),
    [
        (lambda: True, "network", "this machine's own network"),
        (lambda: False, "site", "at the site"),
        (lambda: 1 / 0 > 0, "unknown", "where is not known"),
        (None, "unknown", "where is not known"),
    ],
    ids=["answers there", "silent there too", "cannot be asked", "no witness"],
)
def test_the_second_witness_says_where_a_request_without_an_answer_failed(
    site: Site, word: Callable[[], bool] | None, where: str, said: str
) -> None:
    found = run(site, "good", "close", witness=word)

    assert found.failed > 0
    assert found.by_where == {where: found.failed}
    assert found.failed_at_site == (0 if where == "network" else found.failed)
    assert any(said in line for line in found.lines())


def test_many_failures_at_once_ask_the_witness_once(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meter_module, "WITNESS_HOLDS", 60)
    asked: list[int] = []

    def witness() -> bool:
        asked.append(1)
        return False

    found = run(site, "close", "close", witness=witness)
    assert found.failed > 10
    assert len(asked) == 1


def test_a_hanging_site_is_an_outage_and_does_not_hold_the_end_up(site: Site) -> None:
    meter = Meter(settings(site, timeout=0.5))
    meter.start()
    site.wait_for(12)
    site.state = "hang"
    site.wait_for(8)
    began = time.monotonic()
    found = meter.stop()
    took = time.monotonic() - began

    assert took < 5  # the handlers would hang for 20 s
    assert found.failed > 0
    assert found.sent == found.answered + found.failed
    assert found.longest_gap > 0.5
    assert "(from " in found.lines()[0]


def test_stop_counts_who_still_waits_when_even_the_time_limit_does_not_help(site: Site) -> None:
    """A name that does not resolve, or a witness on a dead connection: neither has our limit."""
    free, asked = threading.Event(), threading.Event()

    def witness() -> bool:
        asked.set()
        free.wait(20)
        return True

    meter = Meter(settings(site, timeout=0.2), second_witness=witness)
    site.state = "close"
    meter.start()
    assert asked.wait(10)
    began = time.monotonic()
    found = meter.stop()
    took = time.monotonic() - began
    free.set()

    assert took < 5
    assert found.failed == found.sent > 0
    assert meter.stop() is found  # what comes later does not change it


def test_an_outage_is_the_longest_gap_and_begins_when_it_began(site: Site) -> None:
    meter = Meter(settings(site))
    meter.start()
    site.wait_for(12)
    before = time.time()
    site.state = "error"
    time.sleep(0.8)
    site.state = "good"
    after = time.time()
    site.wait_for(12)
    found = meter.stop()

    assert found.longest_gap >= 0.6  # an answer that was under way may end in it
    assert before - 0.2 < found.gap_began < after


def test_the_gap_counts_from_the_start_and_to_the_stop(site: Site) -> None:
    found = run(site, "error", "error")

    assert found.longest_gap == pytest.approx(found.seconds, abs=0.05)


def test_times_before_and_after_a_mark_are_apart_and_labels_may_return(site: Site) -> None:
    meter = Meter(settings(site))
    meter.start()
    meter.mark("before")
    site.wait_for(12)
    meter.mark("after")
    site.release = "20240828-143000"
    site.wait_for(12)
    meter.mark("before")
    site.wait_for(12)
    found = meter.stop()

    samples = {label: timing.samples for label, timing in found.windows.items()}
    assert list(samples) == ["before", "after"]
    assert sum(samples.values()) == found.sent
    assert samples["after"] >= 8
    assert set(found.by_release) == {"former", "20240828-143000"}
    assert "ms before, " in found.lines()[0]
    assert found.lines()[0].endswith(" ms after")
    assert found.timing("no such window").samples == 0


def test_requests_that_could_not_be_sent_on_time_are_counted_and_not_made_up_for(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meter_module, "LATE", 0.05)
    meter = Meter(settings(site, timeout=0.5))
    meter.start()
    site.state = "hang"
    site.wait_for(4)
    time.sleep(0.7)
    site.state = "good"
    site.wait_for(12)
    found = meter.stop()

    due = found.seconds * 100
    assert found.skipped > 10
    assert found.sent + found.skipped == pytest.approx(due, abs=due * 0.15 + 4)
    assert any("not sent" in line for line in found.lines())


def test_memory_does_not_grow_with_the_number_of_requests() -> None:
    tally = Tally()

    def feed(number: int) -> None:
        for _ in range(number):
            tally.good(tally.sending("/"), Answer("/", 200, seconds=0.01))
            tally.fail(tally.sending("/"), Answer("/", 500), "site")

    feed(2 * RESERVOIR)
    tracemalloc.start()
    feed(5 * RESERVOIR)
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    found = tally.close()

    assert grown < 200_000
    assert (found.sent, found.failed, len(found.failures)) == (28_000, 14_000, 20)
    assert found.lines()[-1] == "… and 13,995 more"


def test_the_reservoir_keeps_a_fair_sample_and_the_true_maximum() -> None:
    tally = Tally()
    for number in range(10 * RESERVOIR):
        answer = Answer("/", 200, seconds=number / 1000)
        tally.good(tally.sending("/"), answer)
    timing = tally.close().timing("before")

    assert timing.samples == 10 * RESERVOIR
    assert timing.maximum == (10 * RESERVOIR - 1) / 1000
    assert timing.p50 == pytest.approx(10.0, rel=0.1)
    assert timing.p95 == pytest.approx(19.0, rel=0.05)


def test_the_gauge_says_what_has_come_so_far(site: Site) -> None:
    meter = Meter(settings(site))
    assert meter.gauge() == "0 requests, 0 failed"
    with meter:
        site.wait_for(12)
        text = meter.gauge()

    assert " requests, 0 failed, p95 " in text
    assert text.endswith(" ms")


def test_a_meter_that_never_ran_says_so(site: Site) -> None:
    assert Meter(settings(site)).stop().lines() == ["no request was sent: nothing was measured"]


def test_an_interrupt_while_the_meter_runs_ends_the_process_and_its_figures_are_said(
    site: Site,
) -> None:
    """Ctrl-C reaches the main thread only; the meter's threads never keep a process alive."""
    script = f"""
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where a shell's `&` started us
from fabfile.probes.meter import Meter
from fabfile.probes.http import Visitor
from fabfile.settings import Settings
ask = Visitor.ask
Visitor.ask = lambda self, path, **o: ask(self, path, **{{**o, "scheme": "http"}})
public = {{"domain": "site.test", "connect_http": "{site.address}"}}
meter = Meter(Settings.model_validate({{"public": public, "meter": {{"timeout": 3}}}}))
try:
    with meter:
        print("running", flush=True)
        time.sleep(30)
except KeyboardInterrupt:
    print(meter.stop().lines()[0], flush=True)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env={**os.environ}
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "running\n"
    site.wait_for(3)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=15)

    assert process.returncode == 0
    assert " requests, 0 failed" in output
