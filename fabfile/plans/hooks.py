"""What the hooks around a phase would do, and who is told of a run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..documents.plan import Deed
from ..settings_hooks import Hook, When
from ..settings_notify import Event
from ..telling.hooks import path_of, title
from ..telling.webhooks import name_of
from .deeds import deed
from .outlook import Outlook, Plan


def runs_hook(hook: Hook, *, may_stop: bool = True) -> Plan:
    """One hook.

    :param may_stop: as `Hooks.run` has it.
    """

    def plan(seen: Outlook) -> Sequence[Deed]:
        return [_runs(hook, may_stop=may_stop)]

    return plan


def around(seen: Outlook, task: str, when: When) -> list[tuple[str, Plan]]:
    """Those of a task that is no phase, each with its title."""
    return [(title(hook), runs_hook(hook)) for hook in seen.site.hooks.of(task, when)]


def on_failure(seen: Outlook, phases: Iterable[str]) -> list[Deed]:
    """Each hook once, as `Telling` runs them: only where something fails."""
    hooks = dict.fromkeys(h for phase in phases for h in seen.site.hooks.of(phase, "failed"))
    return [_runs(hook, may_stop=False, condition="only where it fails: ") for hook in hooks]


def tells(seen: Outlook, events: Iterable[Event]) -> list[Deed]:
    """The webhooks that are told; their addresses are secrets."""
    wanted = list(events)
    deeds = []
    for webhook in seen.settings.notify.webhooks:
        if told := [event for event in wanted if event in webhook.events]:
            words = f"POST to {name_of(webhook)} ({webhook.kind}), without waiting"
            if told != ["started"]:
                words = f"POST to {name_of(webhook)} ({webhook.kind}), where it is {_or(told)}"
            limit = f"{words}; at most {webhook.timeout:g} s, and its failure only warns"
            deeds.append(deed("this machine", limit))
    return deeds


def _runs(hook: Hook, *, may_stop: bool, condition: str = "") -> Deed:
    run = hook.run if ":" in hook.run else str(path_of(hook.run))
    stops = "only warns"
    if hook.on_failure == "stop" and may_stop:
        stops = "keeps this from beginning" if hook.when == "before" else "takes this back"
    words = f"{condition}{run}, at most {hook.timeout:g} s; its failure {stops}"
    return deed("this machine", words)


def _or(words: Sequence[str]) -> str:
    *others, last = words
    return f"{', '.join(others)} or {last}" if others else last
