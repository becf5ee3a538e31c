"""The first page of the admin: what waits, what failed, whether the sweep lives, what runs here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.timesince import timesince
from django.utils.translation import gettext, gettext_lazy

from analysis.models import Run, WebhookEndpoint
from analysis.services import operations
from cohorts import access
from cohorts.admin_site import Panel, site
from cohorts.models import Erasure, Site, Upload, User
from cohorts.requests import user_of

SHORT = 12
_PARTS = {"code": gettext_lazy("this platform"), "python": "Python", "django": "Django"}


@dataclass(frozen=True)
class Line:
    """A fact; ``alarm`` where somebody should do something, ``where`` to read more."""

    name: str
    value: str
    where: str = ""
    alarm: bool = False


def panel(request: HttpRequest) -> Panel | None:
    """The panel for those who watch the platform at work."""
    user = user_of(request)
    if not access.may(user, "operations", "R"):
        return None
    now = operations.facts()
    # Addresses only where the same person may open them.
    reads = {name: access.may(user, name, "R") for name in ("run", *LISTS)}
    lines = [*_queue(now, reads["run"]), *_waiting(now, reads), _sweep(now)]
    versions = [
        Line(str(_PARTS.get(name, name)), words[:SHORT]) for name, words in now.versions.items()
    ]
    return Panel("admin/operations.html", {"lines": lines, "versions": versions})


def _queue(now: operations.Facts, reads: bool) -> list[Line]:
    waiting, failed = now.runs[Run.State.QUEUED], now.runs[Run.State.FAILED]
    late = (now.oldest_owed_change_age or 0) > settings.READY_SECONDS
    return [
        Line(
            gettext("Runs that wait"),
            _since(waiting, now.oldest_queued_age),
            _runs("queued", reads),
        ),
        Line(gettext("Runs at work"), str(now.runs[Run.State.RUNNING]), _runs("running", reads)),
        Line(gettext("Runs that failed"), str(failed), _runs("failed", reads), alarm=failed > 0),
        Line(gettext("Oldest change in no run"), _age(now.oldest_owed_change_age), alarm=late),
    ]


def _waiting(now: operations.Facts, reads: dict[str, bool]) -> list[Line]:
    checked = now.uploads[Upload.Status.CHECKED]
    erasures = Erasure.objects.filter(approved_at=None, stopped_at=None, executed_at=None).count()
    failing = WebhookEndpoint.objects.active().exclude(failing_since=None).count()
    paused = Site.objects.exclude(paused_because="").values_list("code", flat=True)
    stopped = User.objects.filter(stopped_at__date=timezone.localdate())
    asked = list(stopped.order_by("username").values_list("username", flat=True))
    return [
        Line(gettext("Tables that wait for a decision"), str(checked), _list("upload", reads)),
        Line(
            gettext("Erasures that wait for a second person"),
            str(erasures),
            _list("erasure", reads),
        ),
        Line(
            gettext("Webhooks that fail"), str(failing), _list("webhook", reads), alarm=failing > 0
        ),
        Line(
            gettext("Sites that are paused"),
            ", ".join(paused) or gettext("none"),
            alarm=bool(paused),
        ),
        Line(
            gettext("Accounts whose results are closed for today"),
            ", ".join(asked) or gettext("none"),
            _list("account", reads),
            alarm=bool(asked),
        ),
    ]


def _sweep(now: operations.Facts) -> Line:
    dead = now.sweep_age is None or now.sweep_age > settings.READY_SECONDS
    ago = gettext("%(age)s ago") % {"age": _age(now.sweep_age)}
    when = gettext("none so far") if now.sweep_age is None else ago
    return Line(gettext("Last sweep came to its end"), when, alarm=dead)


def _since(n: int, age: float | None) -> str:
    return gettext("%(n)s, the oldest for %(age)s") % {"n": n, "age": _age(age)} if n else "0"


def _age(seconds: float | None) -> str:
    if seconds is None:
        return gettext("none")
    if seconds < 60:
        return gettext("less than a minute")
    now = timezone.now()
    return timesince(now - timedelta(seconds=seconds), now, depth=1)


def _runs(state: str, reads: bool) -> str:
    return f"{reverse('admin:analysis_run_changelist')}?state={state}" if reads else ""


LISTS = {
    "account": "cohorts_user",
    "upload": "cohorts_upload",
    "erasure": "cohorts_erasure",
    "webhook": "analysis_webhookendpoint",
}


def _list(name: str, reads: dict[str, bool]) -> str:
    return reverse(f"admin:{LISTS[name]}_changelist") if reads[name] else ""


site.panels.append(panel)
