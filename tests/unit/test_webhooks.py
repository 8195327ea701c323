"""What webhooks are sent, and that none of them can fail a run, hold it up, or show its secret."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fabfile import preflight
from fabfile.commands.templates import BadTemplate
from fabfile.documents.notification import Notification
from fabfile.errors import BadSettings, DeployError, NeedsPerson, TakenBack
from fabfile.report.console import Console
from fabfile.server.connection import Server
from fabfile.settings import load
from fabfile.settings_notify import Webhook
from fabfile.site import Site, _outcome
from fabfile.telling import shapes
from fabfile.telling.facts import End
from fabfile.telling.webhooks import Delivery, name_of
from tests.programs import program
from tests.receiver import SECRET, Receiver, receiving

NOBODY = {"ssh": {"host": "nobody@127.0.0.1:9"}}
ODD = 'a <b> & "c" \\ *d* @everyone https://evil.example\nnext'


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


def webhook(url: str = f"https://hooks.example{SECRET}", **values: Any) -> Webhook:
    return Webhook(url=url, **values)


def message(**values: Any) -> Notification:
    known = {"event": "failed", "text": ODD, "seconds": 1.0, "report": "https://r.example/x?a=1&b"}
    names = ("site", "server", "url", "task", "release", "who", "time")
    return Notification(
        **{
            **dict.fromkeys(Notification.model_fields),
            **dict.fromkeys(names, "x"),
            **known,
            **values,
        }
    )


def posted(one: Webhook, told: Notification) -> Any:
    return json.loads(shapes.body(one, told))


# -- shapes ------------------------------------------------------------------------------------


def test_slack_gets_text_in_which_nothing_is_markup_and_a_link() -> None:
    found = posted(webhook(kind="slack"), message())
    assert found["text"].startswith('❌ a &lt;b&gt; &amp; "c" \\ *d* @everyone')
    assert found["text"].endswith(" · <https://r.example/x?a=1&amp;b|report>")


def test_discord_gets_a_text_that_fits_with_its_link_and_calls_nobody() -> None:
    found = posted(webhook(kind="discord"), message(text=ODD * 100))
    assert len(found["content"]) == 2000
    assert found["content"].startswith('❌ a \\<b\\> & "c" \\\\ \\*d\\* @everyone')
    assert found["content"].endswith("… · [report](<https://r.example/x?a=1&b>)")
    assert found["allowed_mentions"] == {"parse": []}


@pytest.mark.parametrize("kind", ["slack", "discord"])
def test_a_report_that_is_a_path_is_no_link(kind: Any) -> None:
    [text] = [v for v in posted(webhook(kind=kind), message(report="/a/b.html")).values() if v][:1]
    assert text.endswith(" · report: /a/b.html")
    [text] = [v for v in posted(webhook(kind=kind), message(report=None)).values() if v][:1]
    assert "report" not in text


def test_json_is_the_document_and_a_template_may_use_all_of_it() -> None:
    told = message(reason=ODD)
    assert posted(webhook(kind="json"), told) == told.model_dump()
    found = posted(webhook(kind="template"), told)
    assert found["details"] == told.model_dump()
    assert (found["message"], found["bad"]) == (ODD, True)


BAD_TEMPLATES = [
    ('{"text": "{{ text }}"}', "it does not give JSON"),
    ('{"text": {{ reason | default("x") }}}', "it does not give JSON"),
    ('{"text": {{ txet | tojson }}}', "'txet' is undefined"),
    ('{"text": {{ text | tojson }}', "it does not give JSON"),
    ('{"n": {{ requests }}}', "it does not give JSON"),
    ("{% if %}", "t.j2:1: "),
    ('{"n": NaN}', "NaN is no JSON"),
    ("", "it does not give JSON"),
]


@pytest.mark.parametrize(("text", "words"), BAD_TEMPLATES)
def test_a_template_that_is_no_json_for_every_message_is_refused_before_anything(
    text: str, words: str, tmp_path: Path
) -> None:
    (tmp_path / "t.j2").write_text(text)
    with pytest.raises(BadTemplate, match=words):
        shapes.refuse_bad_template(str(tmp_path / "t.j2"))
    hook = {"url": "https://a.b/c", "kind": "template", "template": str(tmp_path / "t.j2")}
    chosen = load({**NOBODY, "notify": {"webhooks": [hook]}})
    preflight.check(chosen, telling=False)  # a task that only looks has no need of it
    with pytest.raises(BadSettings, match=r"^site\.notify\.webhooks\.0\.template is "):
        preflight.check(chosen)


def test_the_shipped_template_is_one() -> None:
    shapes.refuse_bad_template(webhook().template)


# -- on its way --------------------------------------------------------------------------------


def test_a_webhook_is_posted_to(receiver: Receiver) -> None:
    assert Delivery(webhook(receiver.url), message()).wait() == ""
    assert receiver.got == [message().model_dump()]
    assert receiver.paths == [SECRET]


@pytest.mark.parametrize("where", ["env", "file"])
def test_its_url_may_stand_in_a_variable_or_a_file(
    where: str, receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hook").write_text(f"{receiver.url}\n")
    monkeypatch.setenv("MY_HOOK", receiver.url)
    one = webhook({"env": "env:MY_HOOK", "file": f"file:{tmp_path}/hook"}[where])
    assert Delivery(one, message()).wait() == ""
    assert len(receiver.got) == 1
    assert name_of(one) == f"{receiver.host} ({one.url})"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("env:NO_SUCH_HOOK", "the variable NO_SUCH_HOOK is empty or not there"),
        ("env:HOME", "the variable HOME holds no URL"),
        ("file:/no/such", "/no/such: No such file or directory"),
        ("file:/dev/null", "/dev/null is empty or not there"),
    ],
)
def test_a_url_that_is_not_there_is_said_when_it_is_needed(url: str, words: str) -> None:
    assert Delivery(webhook(url), message()).wait() == words


def test_a_refusal_is_said_without_the_url() -> None:
    with receiving(status=500, answer=f"no\x1b such{SECRET}") as receiver:
        problem = Delivery(webhook(receiver.url), message()).wait()
    assert problem == "answered 500: no such/…"


def test_a_redirect_is_not_followed(receiver: Receiver) -> None:
    with receiving(status=302, answer="", location=receiver.url) as first:
        assert Delivery(webhook(first.url), message()).wait() == "answered 302"
    assert receiver.got == []


def test_one_that_does_not_answer_is_waited_for_no_longer_than_its_time() -> None:
    with receiving(status=None) as receiver:
        began = time.monotonic()
        hang = [Delivery(webhook(receiver.url, timeout=0.5), message()) for _ in range(3)]
        assert [one.wait() for one in hang] == ["no answer within 0.5 s"] * 3
        assert time.monotonic() - began < 5  # all at once, and nowhere near the server's minute


def test_one_that_is_not_there_is_said_without_the_url(capfd: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}{SECRET}"
    problem = Delivery(webhook(url), message()).wait()
    assert problem == "cannot be reached, or it ended the connection"
    assert Delivery(webhook(url.replace("http:", "https:")), message()).wait() == problem
    assert capfd.readouterr() == ("", "")


# -- a secret ----------------------------------------------------------------------------------

MISTAKES: list[tuple[str, Any]] = [
    ("url", {"webhooks": [{"url": f"hooks.example{SECRET}"}]}),
    ("kind", {"webhooks": [{"url": f"https://hooks.example{SECRET}", "kind": "teams"}]}),
    ("list", {"webhooks": {"url": f"https://hooks.example{SECRET}"}}),
    ("text", {"webhooks": f"https://user:pw@hooks.example{SECRET}"}),
    ("section", f"https://hooks.example{SECRET}"),
    ("entry", {"webhooks": [f"https://hooks.example{SECRET}"]}),
    ("report", {"report_url": f"https://hooks.example{SECRET}/{{relase}}"}),
]


@pytest.mark.parametrize(("name", "section"), MISTAKES, ids=[name for name, _ in MISTAKES])
def test_a_mistake_beside_a_url_does_not_show_it(name: str, section: Any) -> None:
    with pytest.raises(BadSettings) as caught:
        load({**NOBODY, "notify": section})
    said = f"{caught.value.reason} {caught.value.evidence}"
    assert "; allowed: " in said
    assert "do-not-show-me" not in said
    assert "pw" not in said.split("; allowed")[0]


def test_settings_that_are_printed_or_dumped_do_not_hold_it() -> None:
    chosen = load({**NOBODY, "notify": {"webhooks": [{"url": f"https://a.b{SECRET}"}]}})
    assert "do-not-show-me" not in f"{chosen!r} {chosen} {chosen.model_dump_json()}"


def test_a_program_that_debugs_does_not_show_it(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    with receiving(status=500) as receiver:
        url = json.dumps(receiver.url)
        path.write_text(f"site: {{notify: {{webhooks: [{{url: {url}, timeout: 3}}]}}}}\n")
        argv = ("invoke", "-d", "-f", str(path), "notify", "--test")
        done = program(*argv, environment={"DEPLOY_SSH__HOST": "nobody@127.0.0.1:9"})
    assert done.returncode == 1
    assert "answered 500: ok" in done.stdout
    assert "Parsing" in done.stderr  # it does debug
    assert "do-not-show-me" not in done.stdout + done.stderr


# -- a run -------------------------------------------------------------------------------------


class Live:
    """In the place of the site's: what visitors are on."""

    colour, release = "green", "20260102-030405"
    first: Any = None

    def read(self) -> Live:
        return self


@pytest.fixture
def site(receiver: Receiver) -> Site:
    return site_with(receiver, events=["started", "done", "failed", "taken back", "needs a person"])


def site_with(receiver: Receiver, **values: Any) -> Site:
    section = {
        "webhooks": [{"url": receiver.url, **values}],
        "report_url": "https://r/{release}/{file}",
    }
    chosen = load({**NOBODY, "name": "Shop", "notify": section})
    site = Site(chosen, Server(chosen), Console(), "20260101-000000")
    site.__dict__["live"] = Live()
    return site


def end(site: Site, error: BaseException | None) -> None:
    site.telling.end(End.of(_outcome(error) if error else {"outcome": "done"}, error))


def test_a_run_is_told_of_at_its_start_and_its_end(site: Site, receiver: Receiver) -> None:
    site.telling.begin("deploy")
    site.report = "/reports/20260101-000000 2.html"
    end(site, None)
    by_event = {one["event"]: one for one in receiver.got}
    assert by_event.keys() == {"started", "done"}
    done = by_event["done"]
    assert done["text"] == (
        "Shop: deploy of 20260101-000000 is done on nobody@127.0.0.1:9; "
        "visitors are on green 20260102-030405; took 0 s"
    )
    assert done["report"] == "https://r/20260101-000000/20260101-000000%202.html"
    assert by_event["started"]["report"] is None


@pytest.mark.parametrize(
    ("error", "event", "words"),
    [
        (DeployError("no\nroom", state="as it was"), "failed", "failed in run-migration on"),
        (TakenBack("slow", taken_back="all"), "taken back", "is taken back in run-migration on"),
        (NeedsPerson("stuck", state="half"), "needs a person", "NEEDS A PERSON in run-migration"),
        (KeyError("bug"), "failed", "KeyError('bug')"),
    ],
)
def test_how_it_failed_is_told_in_one_line(
    site: Site, receiver: Receiver, error: Exception, event: str, words: str
) -> None:
    site.telling.begin("deploy")
    site.telling.failed += ["run-migration", "rollback"]
    end(site, error)
    [told] = [one for one in receiver.got if one["event"] != "started"]
    assert (told["event"], told["phase"]) == (event, "run-migration")
    assert words in told["text"]
    assert told["text"].isprintable()


def test_only_the_events_of_its_own_and_only_runs_of_the_numbered_kind(receiver: Receiver) -> None:
    site = site_with(receiver, events=["failed"])
    for task, error in (
        ("deploy", None),
        ("deploy", DeployError("x")),
        ("backup", DeployError("")),
    ):
        site.telling.begin(task)
        end(site, error)
    assert receiver.events() == ["failed"]


def test_what_is_not_delivered_is_one_warning_and_no_failure(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with receiving(status=500) as receiver:
        site = site_with(receiver, events=["started", "done"])
        site.telling.begin("rollback")
        end(site, None)
    warned = capsys.readouterr().out.splitlines()
    assert warned == [f"  ! webhook {receiver.host}: answered 500: ok"] * 2
    assert not [one for one in threading.enumerate() if one.name == "webhook"]
