"""What both programs hand their tasks to: it chooses the servers, and reads each one's settings,
before anything is contacted.

One server is worked on in this process; several have a process each (several/).
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import fabric
from invoke.context import Context
from invoke.executor import Executor as InvokeExecutor
from invoke.tasks import Call

from . import preflight, settings_guard
from .errors import BadSettings
from .hosts import choose, refuse_shared
from .interrupts import listening
from .phases import MAKES_A_RELEASE
from .recording import recorded
from .report.console import Console
from .running import explained, finished, sites
from .server.connection import Server
from .server.source import Source
from .settings import Settings, load
from .settings_file import Origins
from .several.part import Part, Report
from .several.run import Several
from .several.summary import Outcome
from .site import Site
from .tasks_base import OPTIONS, SiteTask, site_task

_CHOICES = {*OPTIONS, "all_or_nothing"}  # options that are read here, and are no task body's
_PROMPTS = ("prompt-for-login-password", "prompt-for-passphrase")
_NOT_TAKEN_BACK = ("rollback", "restore")

# Each server's settings, one for each of the command's tasks: `--set` is a task's own.
Servers = Mapping[str, Sequence[Settings]]


class Executor(fabric.Executor):  # type: ignore[misc]
    """Fabric's executor, under `invoke` as well; a task that is named twice runs twice."""

    _address = ""  # of the one server that this process works on

    def execute(self, *tasks: Any) -> Any:
        """Run the command's tasks, on every server that it is for."""
        calls = self.normalize(tasks)
        ours = [call for call in calls if isinstance(call.task, SiteTask)]
        console = Console()
        if not ours:  # init; lab.up; fab -H host -- uname
            with explained(console):
                self._refuse_bad_hosts()
            return super().execute(*tasks)
        part = Part.given()
        self._console = console = Console(
            verbose=any(call.kwargs.get("verbose") for call in ours),
            beside=any(call.kwargs.get("json") for call in ours),
        )
        self._origins = Origins(settings_guard.files_of(self.config))
        with explained(console, self._origins):
            servers = self._servers(ours, part)
            if len(servers) > 1:
                with listening():
                    self._several(calls, servers, console).run()
                return {}
        settings = next(iter(servers.values()))
        self._address = settings[0].ssh.host
        with recorded(console, ours, settings[0], part):
            return self._run(tasks, calls, settings, part)

    def _run(
        self,
        tasks: Sequence[Any],
        calls: Sequence[Call],
        settings: Sequence[Settings],
        part: Part | None,
    ) -> Any:
        """Run them on the one server of this process."""
        if part is None:
            return super().execute(*self._bound(tasks, calls, settings))
        try:
            if part.takes_back:
                return self._undo(part, settings[0])
            chosen = {"release": part.release, "packed": part.packed}
            return super().execute(*self._bound(tasks, calls, settings, chosen))
        finally:
            seen = [measurement for site in sites.values() for measurement in site.measurements]
            part.tell(
                Report(tuple(finished), sum(m.sent for m in seen), sum(m.failed for m in seen))
            )

    def expand_calls(self, calls: Any, apply_hosts: bool = True) -> Any:
        """Fabric's way with -H, which `invoke` does not have."""
        if "hosts" not in self.core[0].args:
            return InvokeExecutor.expand_calls(self, calls)
        return super().expand_calls(calls, apply_hosts)

    def normalize_hosts(self, hosts: Any) -> Any:
        """What -H says is the one server of this process, by its address."""
        return super().normalize_hosts([self._address] if hosts and self._address else hosts)

    def dedupe(self, calls: Any) -> Any:
        return calls

    # -- which servers -------------------------------------------------------------------------

    def _servers(self, ours: Sequence[Call], part: Part | None) -> Servers:
        """Every server of the command with its settings, all of them valid."""
        read = partial(
            load,
            self._section(),
            environment=os.environ,
            origins=self._origins,
        )
        _refuse_half_a_plan(ours)
        _refuse_no_document(ours)
        sets = [call.kwargs.get("set") or [] for call in ours]
        site = read(assignments=[text for texts in sets for text in texts])
        words = [part.server] if part else self._words(ours)
        servers = {
            name: [read(assignments=texts, server=name) for texts in sets]
            for name in choose(words, site)
        }
        for settings in itertools.chain(*servers.values()):
            applies = any(map(_applies_migrations, ours))
            # `plan` reads, and says what a task that changes something would be refused for.
            changes = applies or not all(getattr(call.task, "reads", False) for call in ours)
            preflight.check(settings, migrations=applies, telling=changes)
        if part and part.revision:
            return {name: [_at(part.revision, s) for s in each] for name, each in servers.items()}
        return servers

    def _refuse_bad_hosts(self) -> None:
        """Fabric would make a connection of each."""
        for host in filter(None, self._words([])):
            load({}, server=host)

    def _section(self) -> object:
        """What stands under `site:`; of a complete file given with -f, nothing but that."""
        given = self.config._runtime.get("site")
        if isinstance(given, Mapping) and given.get("complete") is True:
            return given
        return self.config._config.get("site")

    def _words(self, ours: Sequence[Call]) -> list[str]:
        core = self.core[0].args
        here, on = core["hosts"].value if "hosts" in core else None, _one(ours, "on")
        if here and on:
            raise BadSettings("-H and --on both name servers; allowed: one of them")
        return str(here or on or "").split(",")

    # -- several -------------------------------------------------------------------------------

    def _several(self, calls: Sequence[Call], servers: Servers, console: Console) -> Several:
        """The run over several servers, after everything that can be refused from here."""
        names = [call.task.name for call in calls]
        parallel = _number(_one(calls, "parallel"))
        all_or_nothing = any(call.kwargs.get("all_or_nothing") for call in calls)
        self._refuse(calls, all_or_nothing)
        _refuse_unfit(calls, len(servers), parallel)
        refuse_shared({name: settings[0] for name, settings in servers.items()})
        makes = next((n for n, name in enumerate(names) if name in MAKES_A_RELEASE), None)
        outcomes = []
        for name, each in servers.items():
            settings = each[0 if makes is None else makes]
            site = Site(settings, Server(settings, self._connection(settings)), console)
            outcomes.append(Outcome(name, site, "" if makes is None else _revision(site)))
        return Several(
            outcomes,
            console,
            parallel=parallel,
            all_or_nothing=all_or_nothing,
            reads=all(_reads(call) for call in calls),
            packs=makes is not None and _packs(calls[makes]),
        )

    def _refuse(self, calls: Sequence[Call], all_or_nothing: bool) -> None:
        core = self.core[0].args
        for name in _PROMPTS:
            if name in core and core[name].value:
                raise BadSettings(
                    f"--{name} is for one server: several have a process each",
                    next_command="ssh-add KEY, then the same command without it",
                )
        for call in calls:
            if not isinstance(call.task, SiteTask):
                raise BadSettings(f"{call.called_as} is no task for several servers")
            if all_or_nothing and call.task.name in _NOT_TAKEN_BACK:
                raise BadSettings(f"--all-or-nothing: what {call.called_as} does is not taken back")
            if all_or_nothing and call.kwargs.get("plan"):
                raise BadSettings("--all-or-nothing takes back; a plan has nothing to take back")
            if all_or_nothing and call.kwargs.get("resume"):
                raise BadSettings("--all-or-nothing is for a whole run; allowed: without --resume")

    def _connection(self, settings: Settings) -> fabric.Connection | None:
        """As Fabric makes it for -H, with -i and the like; None under `invoke`."""
        if not isinstance(self.config, fabric.Config):
            return None
        return fabric.Connection(settings.ssh.host, config=self.config)

    def _undo(self, part: Part, settings: Settings) -> Any:
        from .phases.deploy import take_back

        context = self._connection(settings) or Context(self.config)
        chosen = {**self._shared, "settings": settings, "release": part.release}
        return site_task(take_back)(context, **chosen)

    @property
    def _shared(self) -> dict[str, object]:
        """What every task of the command gets."""
        return {"origins": self._origins, "console": self._console}

    def _bound(
        self,
        tasks: Sequence[Any],
        calls: Sequence[Call],
        settings: Sequence[Settings],
        shared: Mapping[str, object] | None = None,
    ) -> Iterator[Any]:
        """The command's tasks, ours with what was chosen for them, and for all servers."""
        each = iter(settings)
        for task, call in zip(tasks, calls, strict=True):
            if not isinstance(call.task, SiteTask):
                yield task
                continue
            own = {name: value for name, value in call.kwargs.items() if name not in _CHOICES}
            chosen = {**self._shared, "settings": next(each), **(shared or {})}
            yield call.called_as, {**own, **chosen}


def _reads(call: Call) -> bool:
    """Whether it changes nothing: the task never does, or only says what it would."""
    return getattr(call.task, "reads", False) or bool(call.kwargs.get("plan"))


def _packs(call: Call) -> bool:
    """Whether it sends what it makes a release of; one that is resumed may be there already."""
    return not (_reads(call) or call.kwargs.get("resume"))


def _refuse_half_a_plan(calls: Sequence[Call]) -> None:
    """Of a chain, --plan stands for one task: who forgets it behind another must not deploy."""
    changing = [c for c in calls if "plan" in c.kwargs and not getattr(c.task, "reads", False)]
    without = [call.called_as for call in changing if not call.kwargs["plan"]]
    if without and len(without) < len(changing):
        missing = ", ".join(map(str, without))
        raise BadSettings(f"--plan is missing behind {missing}; allowed: behind each task, or none")


def _refuse_no_document(calls: Sequence[Call]) -> None:
    """What most tasks do is told in lines; only its plan is a document."""
    for call in calls:
        task, given = call.task, call.kwargs
        own = getattr(task, "reads", False) or getattr(task, "documents", False)
        if "plan" in given and given.get("json") and not (own or given["plan"]):
            raise BadSettings(f"{call.called_as}: --json is for --plan")


def _one(calls: Sequence[Call], option: str) -> str:
    """An option that holds for the whole command, whichever of its tasks it stands behind."""
    given = {str(value) for call in calls if (value := call.kwargs.get(option))}
    if len(given) > 1:
        raise BadSettings(f"--{option} is {' and '.join(sorted(given))}; allowed: one of them")
    return next(iter(given), "")


def _applies_migrations(call: Call) -> bool:
    """Whether one that is half written is in its way; `migration --new` is there to make one."""
    return bool(getattr(call.task, "migrates", False)) and not call.kwargs.get("new")


def _number(text: str) -> int:
    if text and (not text.isdecimal() or int(text) < 1):
        raise BadSettings(f"--parallel is {text!r}; allowed: a whole number from 1")
    return int(text or 1)


def _refuse_unfit(calls: Sequence[Call], servers: int, parallel: int) -> None:
    """Refuse what several servers cannot do with one terminal and one standard output."""
    for call in calls:
        task, name, given = call.task, call.called_as, call.kwargs
        assert isinstance(task, SiteTask)
        if task.at_terminal(given):
            raise BadSettings(f"{name} needs the terminal for itself; allowed: one server")
        if given.get(task.endless) and parallel < servers:
            raise BadSettings(
                f"{name} --{task.endless} never comes to the second server; "
                f"allowed: one server, or --parallel {servers}"
            )
    if parallel > 1 and any(call.kwargs.get("json") for call in calls):
        raise BadSettings("--json and --parallel exclude each other; allowed: one of them")


def _revision(site: Site) -> str:
    """See that this machine has what is to be sent there.

    :returns: the commit, so that all servers get the same one; empty where none is sent.
    """
    source = Source(site.server, site.settings, site.release, site.console.detail)
    source.check()
    return source.commit() if site.settings.source.kind == "git" else ""


def _at(revision: str, settings: Settings) -> Settings:
    source = settings.source.model_copy(update={"revision": revision})
    return settings.model_copy(update={"source": source})
