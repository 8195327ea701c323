"""Who is told what happened, and trying it."""

from __future__ import annotations

from ..documents.notify import Notify, ToldWebhook
from ..errors import DeployError
from ..report.columns import columns
from ..settings_notify import Webhook
from ..site import Site
from ..telling.check import check_webhooks
from ..telling.facts import notification
from ..telling.webhooks import Delivery, name_of

_HEAD = ("webhook", "kind", "events", "test")
NOBODY = "nobody is told: notify.webhooks is empty"


def notify(site: Site, *, test: bool, as_document: bool) -> None:
    """Print the webhooks; with `test`, send each a message first.

    :raises DeployError: a test did not arrive.
    """
    webhooks = site.settings.notify.webhooks
    if test and not webhooks:
        raise DeployError(NOBODY, next_command="docs/hooks.md shows how to name one")
    check_webhooks(site.settings)
    problems = _try(site, webhooks) if test else [None] * len(webhooks)
    document = Notify(
        report_url=site.settings.notify.report_url or None,
        webhooks=[_told(*one) for one in zip(webhooks, problems, strict=True)],
    )
    if as_document:
        document.show()
    else:
        _show(site, document)
    failed = [one for one in document.webhooks if one.problem]
    if failed:
        raise DeployError(
            f"{len(failed)} of {len(webhooks)} webhooks did not take the test",
            state="nothing was contacted but the webhooks",
            next_command="mend notify.webhooks, then: fab notify --test",
        )


def _try(site: Site, webhooks: tuple[Webhook, ...]) -> list[str | None]:
    """:returns: for each why it did not arrive; empty where it did."""
    text = f"{site.settings.name}: a test of the webhooks"
    message = notification(site, "test", task="notify", text=text, seconds=0.0)
    under_way = [Delivery(one, message) for one in webhooks]
    return [one.wait() for one in under_way]


def _told(webhook: Webhook, problem: str | None) -> ToldWebhook:
    return ToldWebhook(
        name=name_of(webhook),
        kind=webhook.kind,
        events=list(webhook.events),
        timeout=webhook.timeout,
        delivered=None if problem is None else not problem,
        problem=problem or None,
    )


def _show(site: Site, document: Notify) -> None:
    if not document.webhooks:
        site.console.line(NOBODY)
        return
    rows = [(one.name, one.kind, ", ".join(one.events), _test(one)) for one in document.webhooks]
    columns(site.console, _HEAD, rows)


def _test(one: ToldWebhook) -> str:
    if one.delivered is None:
        return "-"
    return "arrived" if one.delivered else str(one.problem)
