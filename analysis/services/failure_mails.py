"""Whoever sees to the platform is told by mail of each run that has failed, once.

What is owed stands in the outbox, beside what is owed to webhooks. No mail says why a run failed:
a reason may count people, and stands on the page.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from smtplib import SMTPException

from django.db import transaction
from django.db.models.functions import Now
from django.urls import reverse
from django.utils import timezone

from analysis.models import Run, WebhookEvent
from analysis.models.webhook import WebhookEventQuerySet
from cohorts import access
from cohorts.models import User
from cohorts.services.accounts import mails

logger = logging.getLogger(__name__)
# What could not be sent for so long is found on the pages alone.
AT_MOST = timedelta(days=7)


def owed() -> bool:
    """Whether a run has failed that nobody was told of."""
    return _untold().exists()


def send_due() -> int:
    """One mail a person for all that has failed since; how many mails."""
    try:
        return _tell()
    except (SMTPException, OSError) as error:
        logger.warning("failed runs could not be told (%s); the next sweep tries again", error)
        return 0


@transaction.atomic
def _tell() -> int:
    # Held until all are sent: who dies meanwhile leaves it to the next sweep, who runs beside us
    # passes it by. Twice is better than never.
    events = list(_untold().select_for_update(skip_locked=True, of=("self",)))
    runs = list(Run.objects.filter(pk__in=[each.run_id for each in events]).select_related("plan"))
    told = mails.who_may("operations", "S").filter(failure_mails=True) if runs else ()
    for user in told:
        mails.send("analysis/mail/failed", user, _words(user, runs))
    WebhookEvent.objects.filter(pk__in=[each.pk for each in events]).update(mailed_at=Now())
    return len(told)


def _untold() -> WebhookEventQuerySet:
    found: WebhookEventQuerySet = WebhookEvent.objects.failures_untold(timezone.now() - AT_MOST)
    return found


def _words(user: User, runs: list[Run]) -> dict[str, object]:
    """Each run with its page, or for those who read no runs the page of operations."""
    reads = access.may(user, "run", "R")
    operations = mails.address_of(reverse("admin:index"))
    return {
        "runs": [
            {
                "plan": run.plan.name,
                "number": str(run.pk)[:8],
                "page": mails.address_of(reverse("run", args=[run.pk])) if reads else operations,
            }
            for run in runs
        ],
        "account": mails.address_of(reverse("tokens")),
    }
