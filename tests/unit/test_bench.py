"""The pure parts of bench/: medians, ratios, goals, RESULTS.md, and what is read from logs."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from hpack import Decoder, Encoder

from bench.database import Measured, _growth
from bench.frame import BENCHES, Asked
from bench.http1 import Http1, parsed
from bench.http2 import END_HEADERS, END_STREAM, GOAWAY, HEADERS, Http2, decoded, frame
from bench.measure import Goal, Results, Sample, Section, Verdict, ratio, seconds, table
from bench.roles import refusals, waits
from bench.rollback import start_to_healthy
from bench.run_log import AROUND, read
from bench.servers import Took, busy
from bench.servers import section as servers_section
from bench.streams import accept
from bench.switch import CONNECTIONS, LONG_RATES, MILLION, long_load
from bench.tally import Tally
from bench.tool import parts_of
from bench.visitor import BrokenOff, Target, errand, in_time

# -- medians and ratios ------------------------------------------------------------------------


def test_a_sample_has_its_median_and_half_of_its_span() -> None:
    sample = Sample.of([3.0, 1.0, 2.0])
    assert (sample.median, sample.noise, sample.highest) == (2.0, 1.0, 3.0)


def test_of_many_values_the_outermost_are_no_noise() -> None:
    assert Sample.of([1.0, 2.0, 2.2, 2.4, 90.0]).noise == pytest.approx(0.2)


def test_one_value_has_no_noise() -> None:
    assert Sample.of([4.0]).noise == 0


def test_nothing_measured_is_no_sample() -> None:
    with pytest.raises(ValueError, match="nothing was measured"):
        Sample.of([])


def test_a_ratio_is_of_each_pair_and_not_of_the_medians() -> None:
    # The machine was busy in the second round: both took twice as long.
    sample = Sample.ratios([11.0, 22.0, 12.0], [10.0, 20.0, 10.0])
    assert sample.median == pytest.approx(1.1)
    assert sample.noise == pytest.approx(0.05)


def test_pairs_must_be_whole() -> None:
    with pytest.raises(ValueError):
        Sample.ratios([1.0, 2.0], [1.0])


def test_times_and_ratios_in_words() -> None:
    assert seconds([0.0123]) == "12 ms"
    assert seconds([12.34]) == "12.3 s"
    assert ratio(Sample.of([1.0, 1.1, 1.2])) == "1.10 ± 0.10"


# -- goals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "missed", "word", "broken"),
    [
        ([1.0, 1.01, 1.02], "", "holds", False),
        ([1.0, 1.1, 1.3], "", "holds, within the noise", False),
        ([1.1, 1.2, 1.3], "", "does not hold, within the noise", False),
        ([1.4, 1.5, 1.6], "", "does not hold, and should", True),
        ([1.4, 1.5, 1.6], "the dump is read twice", "does not hold", False),
        ([1.0, 1.01, 1.02], "the dump is read twice", "holds", False),
    ],
)
def test_a_goal_is_judged_with_the_noise(
    values: list[float], missed: str, word: str, broken: bool
) -> None:
    verdict = Verdict(Goal("a deploy", 1.15, missed=missed), Sample.of(values))
    assert (verdict.word, verdict.broken) == (word, broken)
    assert (missed in verdict.line if missed else True) == (missed == "" or not verdict.holds)


def test_a_count_has_no_noise_to_hide_behind() -> None:
    one = Verdict(Goal("failed requests", 0, digits=0), Sample.of([1]))
    assert one.broken
    assert one.line == "**does not hold, and should**: failed requests, at most 0: 1"
    assert Verdict(Goal("failed requests", 0, digits=0), Sample.of([0])).word == "holds"


def test_a_goal_says_its_unit() -> None:
    verdict = Verdict(Goal("longest wait", 100, "ms", digits=0), Sample.of([41.2, 55.1, 60.0]))
    assert verdict.line == "**holds**: longest wait, at most 100 ms: 55 ms ± 9"


# -- RESULTS.md --------------------------------------------------------------------------------


def _section(title: str, values: list[float], missed: str = "") -> str:
    verdict = Verdict(Goal("ours", 1.15, missed=missed), Sample.of(values))
    section = Section(title, "What.", ("", "ours"), [["whole", "1.0 s"]], [verdict], 3)
    return section.render("2 processors", "2026-11-23")


def test_a_section_has_table_goals_and_machine() -> None:
    assert _section("One", [1.0, 1.01, 1.02]) == (
        "## One\n\nWhat.\n\n|  | ours |\n| --- | ---: |\n| whole | 1.0 s |\n\n"
        "- **holds**: ours, at most 1.15: 1.01 ± 0.01\n\n"
        "2026-11-23, 2 processors; medians of 3.\n"
    )


def test_a_table_without_rows_is_nothing() -> None:
    assert table(("a", "b"), []) == ""


def test_sections_keep_their_order_and_replace_themselves(tmp_path: Path) -> None:
    results = Results(tmp_path / "RESULTS.md", ["One", "Two"])
    results.put(_section("Other", [1.0]))
    results.put(_section("Two", [1.0]))
    results.put(_section("One", [9.0], missed="the dump is read twice"))
    results.put(_section("Two", [1.1]))
    text = results.path.read_text()
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        "## One",
        "## Two",
        "## Other",
    ]
    assert text.count("1.10") == 1
    assert "2 of 3 goals hold" in text
    assert "- One: ours, at most 1.15: 9.00. the dump is read twice" in text
    assert [path.name for path in tmp_path.iterdir()] == ["RESULTS.md"]


def test_the_same_section_again_changes_nothing(tmp_path: Path) -> None:
    results = Results(tmp_path / "RESULTS.md", ["One"])
    results.put(_section("One", [1.0]))
    before = results.path.read_text()
    results.put(_section("One", [1.0]))
    assert results.path.read_text() == before


def test_every_bench_is_a_module_with_its_title() -> None:
    for name, title in BENCHES.items():
        source = Path(__file__).parents[2] / f"bench/{name}.py"
        assert f'title="{title}"' in source.read_text()


def test_how_often_is_the_commands_or_the_measurements_own() -> None:
    assert (Asked().often(3), Asked(times=5).often(3)) == (3, 5)


# -- what is read ------------------------------------------------------------------------------

LOG = """\
23:59:58.000  fab -H lab1 deploy
23:59:58.000  2026-11-23 23:59:58 UTC, root@vm, pid 1, in /work, Python 3.11.7
23:59:58.100        connecting to ubuntu@127.0.0.1:22022
23:59:58.200        #1 $ mkdir -p /home/ubuntu/site
23:59:58.210        #1 exit 0 in 0.010 s
23:59:59.000  ── blue-green-deploy ──
23:59:59.100    … see what is live
23:59:59.200        #2 $ sh -c '
23:59:59.200        #2 $ a line of the script that looks like a command
23:59:59.200        #2 ' sh one
23:59:59.210        #2 exit 0 in 0.010 s
23:59:59.220        read /home/ubuntu/site/nginx.conf
23:59:59.230        sql: SELECT '***' -- 0.001 s
23:59:59.500    ✓ see what is live (0.400 s)
00:00:00.250        #3 $ docker exec 1001-stories-nginx nginx -s reload
00:00:01.000     blue-green-deploy: 2.0 s
00:00:01.100        #4 $ rm /home/ubuntu/site/lock
"""
MIDNIGHT = 1_795_478_400.0  # 2026-11-24 in UTC


def test_a_log_has_steps_and_trips_by_phase() -> None:
    log = read(LOG)
    assert log.phases == ["blue-green-deploy", AROUND]
    assert log.counts("blue-green-deploy") == {"command": 2, "file": 1, "sql": 1}
    assert log.counts(AROUND) == {"command": 2}
    assert log.seconds("see what") == 0.4
    assert log.by_program()["sh -c"] == [0.01]


def test_a_log_goes_on_after_midnight() -> None:
    log = read(LOG)
    assert log.sent("nginx -s reload") == [MIDNIGHT + 0.25]
    assert log.step_at(MIDNIGHT - 0.7) == "see what is live"
    assert log.step_at(MIDNIGHT + 0.7) == ""


def test_parts_of_bare_commands_are_summed_by_name() -> None:
    said = "part 10.0 begin\nnoise\npart 11.5 dump\npart 12.0 build\npart 14.0 dump\n"
    assert parts_of(said) == {"dump": 3.5, "build": 0.5}


def test_waits_of_writers_without_what_pgbench_came_late() -> None:
    log = "0 1 1500 0 1795478400 250000 500\n1 1 900 1 1795478400 500000 0\n0 2 15"
    assert [(wait.ended, round(wait.seconds, 6)) for wait in waits(log)] == [
        (MIDNIGHT + 0.25, 0.001),
        (MIDNIGHT + 0.5, 0.0009),
    ]
    assert refusals("pgbench: error: client 0 script 0 aborted in command 1\nok\n") == 1


def test_a_containers_way_to_healthy_leaves_out_an_earlier_run() -> None:
    checks: list[dict[str, object]] = [
        {"End": "2026-11-23T10:00:00.500000000Z", "ExitCode": 0},
        {"End": "2026-11-23T10:00:02.000000000Z", "ExitCode": 1},
        {"End": "2026-11-23T10:00:02.500000000Z", "ExitCode": 0},
    ]
    assert start_to_healthy("2026-11-23T10:00:01.000000000Z", checks) == 1.5


def test_what_must_not_grow_needs_two_sizes() -> None:
    small = Measured(200, out=[0.2, 0.3], peaks=[100])
    assert _growth([small]) == []
    waits, memory = _growth([small, Measured(1_000, out=[0.2, 0.6], peaks=[300])])
    assert waits.sample.values == (1.0, 2.0)
    assert memory.sample.median == 3.0


def test_servers_are_compared_with_one_and_with_the_processors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda process: {0, 1})
    found = servers_section({1: [Took(10, 2, 8)], 4: [Took(20, 9, 32)]}, 1)
    assert [row[:6] for row in found.rows] == [
        ["1", "10.0 s", "1.00 ± 0.00", "1.00 ± 0.00", "2.0 s", "8.0 s"],
        ["4", "20.0 s", "2.00 ± 0.00", "0.50 ± 0.00", "9.0 s", "32.0 s"],
    ]
    assert [verdict.sample.values for verdict in found.verdicts] == [(0.5,), (1.25,)]


def test_processors_are_busy_with_what_is_neither_idle_nor_waiting(tmp_path: Path) -> None:
    stat = tmp_path / "stat"
    stat.write_text("cpu  100 20 30 9000 9000 4 6 9000 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n")
    assert busy(stat) == pytest.approx(160 / os.sysconf("SC_CLK_TCK"))


# -- visitors ----------------------------------------------------------------------------------


def test_a_million_requests_take_each_manner_as_long() -> None:
    loads = {manner: long_load(manner, MILLION) for manner in LONG_RATES}
    all_of_them = sum(load.requests for load in loads.values()) * len(CONNECTIONS)
    assert MILLION <= all_of_them < MILLION + 100
    took = {load.requests / load.rate for load in loads.values()}
    assert max(took) - min(took) < 0.01


def test_what_has_no_end_is_ended_in_time() -> None:
    with pytest.raises(asyncio.TimeoutError):
        asyncio.run(in_time(asyncio.sleep(60), 0.01))


def test_what_ends_in_time_is_left_alone() -> None:
    async def work() -> str:
        found = await in_time(asyncio.sleep(0, "found"), 0.01)
        await asyncio.sleep(0.05)
        return found

    assert asyncio.run(work()) == "found"


def test_who_is_cancelled_from_outside_is_not_late() -> None:
    async def work() -> None:
        task = asyncio.create_task(in_time(asyncio.sleep(60), 60))
        await asyncio.sleep(0.01)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(work())


def test_an_answers_head() -> None:
    status, headers = parsed(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nX-App-Release: r1\r\n\r\n")
    assert (status, headers["content-length"], headers["x-app-release"]) == (200, "3", "r1")
    with pytest.raises(BrokenOff):
        parsed(b"nonsense\r\n\r\n")


def test_a_frame_and_its_headers() -> None:
    block = Encoder().encode([(":status", "200")])
    sent = frame(HEADERS, END_HEADERS, 5, block)
    assert sent[:9] == len(block).to_bytes(3, "big") + b"\x01\x04\x00\x00\x00\x05"
    assert decoded(Decoder(), END_HEADERS, sent[9:]) == {":status": "200"}
    with pytest.raises(BrokenOff):
        decoded(Decoder(), 0, block)


def test_a_web_sockets_key() -> None:
    # RFC 6455's own example.
    assert accept("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


class _Here(Target):
    """A server of the test's own, without TLS."""

    async def connect(self, protocol: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)


GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-App-Release: r1\r\n\r\nok"
CUT = b""


def _served(connections: list[list[bytes]], requests: int, *, http2: bool = False) -> Tally:
    """Ask a server that answers so on each of its connections, and closes it at the next request;
    after `CUT` at once."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answer = b"nothing yet"
        for answer in connections.pop(0) if connections else []:
            if answer != CUT:
                await reader.read(65536)
            writer.write(answer)
        if answer != CUT:
            await reader.read(65536)
        writer.close()

    async def ask() -> Tally:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        target, tally = _Here(server.sockets[0].getsockname()[1]), Tally()
        visitor = Http2(target, 2) if http2 else Http1(target, keeps=True)
        for _ in range(requests):
            await errand(visitor, "/", tally)
        visitor.leave()
        server.close()
        return tally

    return asyncio.run(asyncio.wait_for(ask(), 10))


def test_a_kept_connection_that_is_closed_is_asked_again() -> None:
    tally = _served([[GOOD], [GOOD]], 2)
    assert (tally.answered, tally.resent, tally.failed) == (2, 1, 0)
    assert list(tally.last) == ["r1"]


def test_half_an_answer_is_a_failure() -> None:
    tally = _served([[GOOD[:-1], CUT]], 1)
    assert (tally.answered, tally.resent, tally.failed) == (0, 0, 1)
    assert "1 of 2 bytes" in tally.words()


def test_a_new_connection_without_an_answer_is_a_failure() -> None:
    tally = _served([[]], 1)
    assert (tally.resent, tally.failed) == (0, 1)


def test_another_status_is_a_failure() -> None:
    tally = _served([[GOOD.replace(b"200", b"502")]], 1)
    assert (tally.failed, tally.words()) == (1, "1 × 502")


def _h2(stream: int) -> bytes:
    block = Encoder().encode([(":status", "200"), ("x-app-release", "r1")])
    return frame(HEADERS, END_HEADERS | END_STREAM, stream, block)


def _going_away(last: int) -> bytes:
    return frame(GOAWAY, 0, 0, last.to_bytes(4, "big") + bytes(4))


def test_http2_what_a_leaving_server_did_not_take_is_sent_again() -> None:
    first = [_h2(1) + _h2(3), _going_away(5) + _h2(5)]
    tally = _served([first, [_h2(1) + _h2(3)]], 3, http2=True)
    assert (tally.answered, tally.resent, tally.failed) == (5, 1, 0)


def test_http2_nothing_taken_is_sent_again_on_a_new_connection() -> None:
    first = [_h2(1) + _h2(3), _going_away(3)]
    tally = _served([first, [_h2(1) + _h2(3)]], 2, http2=True)
    assert (tally.answered, tally.resent, tally.failed) == (4, 2, 0)


def test_http2_closed_under_requests_that_were_taken_is_a_failure() -> None:
    tally = _served([[_going_away(3) + _h2(1), CUT]], 1, http2=True)
    assert (tally.failed, tally.resent) == (2, 0)
