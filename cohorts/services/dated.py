"""Rights that begin or end on a day: each is a change, recorded once, when its day has come.

Nobody sends a table on the day on which a consent form's window closes, so the sweep looks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from django.db.models import F, Q

from cohorts import clock
from cohorts.language.sentences import say
from cohorts.models import AssayBatch, Change, ConsentForm, Membership, Site, Study, Withdrawal
from cohorts.models.change import hold_order_lock
from cohorts.retrying import transacted

ONE_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Event:
    """A right that is different from that day on; ``key`` names it for ever."""

    study: Study
    site: Site | None
    kind: str
    key: str
    cause: str


@transacted
def record_due() -> int:
    """Record each dated event whose day has come and that no change tells yet; how many."""
    today = clock.today()
    due = [event for find in SOURCES for event in find(today)]
    if not _untold(due):
        return 0
    # Two sweeps at once: the second one looks again after the first has committed.
    hold_order_lock()
    untold = _untold(due)
    for event in untold:
        Change.objects.record(
            study=event.study,
            site=event.site,
            kind=event.kind,
            counts={event.kind: 1},
            cause=event.cause[:200],
            event=event.key,
        )
    return len(untold)


def _untold(due: Iterable[Event]) -> list[Event]:
    by_key = {(event.study.pk, event.key): event for event in due}
    keys = {key for _, key in by_key}
    told = Change.objects.filter(event__in=keys).values_list("study_id", "event")
    return [event for key, event in by_key.items() if key not in set(told)]


# --- what begins and ends on a day


def _consent_windows(today: date) -> Iterator[Event]:
    """The first and the last day on which a form's consents count."""
    reached = Q(valid_from__lte=today) | Q(valid_until__lt=today)
    for form in ConsentForm.objects.filter(reached).select_related("site__study"):
        name = say(
            "consent form %(version)s of %(site)s",
            version=form.version,
            site=form.site.code,
        )
        if form.valid_from is not None and form.valid_from <= today:
            yield _of_site(
                form.site,
                "consent",
                f"form:{form.pk}:from:{form.valid_from}",
                f"{name} begins {form.valid_from}",
            )
        if form.valid_until is not None and form.valid_until < today:
            yield _of_site(
                form.site,
                "consent",
                f"form:{form.pk}:until:{form.valid_until}",
                f"{name} ends {form.valid_until}",
            )


def _withdrawals(today: date) -> Iterator[Event]:
    """Withdrawals recorded ahead of the day on which they take effect."""
    later = Withdrawal.objects.filter(
        effective_on__gt=F("recorded_at__date"), effective_on__lte=today
    )
    for withdrawal in later.select_related("participant__site__study"):
        yield _of_site(
            withdrawal.participant.site,
            "withdrawal",
            f"withdrawal:{withdrawal.pk}:from:{withdrawal.effective_on}",
            say("a withdrawal takes effect %(effective_on)s", effective_on=withdrawal.effective_on),
        )


def _ethics(today: date) -> Iterator[Event]:
    """A site's ethics approval holds to the end of its last day."""
    for site in Site.objects.filter(ethics_expires_on__lt=today).select_related("study"):
        last = site.ethics_expires_on
        yield _of_site(
            site,
            "ethics",
            f"ethics:{site.pk}:until:{last}",
            say("ethics approval of %(site)s ends %(last)s", site=site.code, last=last),
        )


def _embargoes(today: date) -> Iterator[Event]:
    """Batches that may be used from that day on."""
    lifted = AssayBatch.objects.accepted().filter(embargo_until__lte=today)
    for batch in lifted.select_related("site__study"):
        first = batch.embargo_until
        yield _of_site(
            batch.site,
            "assays",
            f"embargo:{batch.pk}:until:{first}",
            say(
                "embargo of a %(platform)s batch of %(site)s ends %(first)s",
                platform=batch.platform,
                site=batch.site.code,
                first=first,
            ),
        )


def _grants(today: date) -> Iterator[Event]:
    """Roles that begin or end; what was so when it was entered is no event. Nobody is named."""
    ahead = Q(from_date__lte=today, from_date__gt=F("recorded_on"))
    ended = Q(until_date__lte=today, until_date__gt=F("recorded_on"))
    studies = list(Study.objects.all())
    for held in Membership.objects.filter(ahead | ended).select_related("site__study"):
        role = f"a role as {held.get_role_display()}"
        for word, day in (("begins", held.from_date), ("ends", held.until_date)):
            if day is None or not held.recorded_on < day <= today:
                continue
            key = f"grant:{held.pk}:{word}:{day}"
            if held.site is not None:
                yield _of_site(held.site, "grant", key, f"{role} at {held.site.code} {word} {day}")
            else:
                yield from (
                    Event(study, None, "grant", key, f"{role} {word} {day}") for study in studies
                )


def _of_site(site: Site, kind: str, key: str, cause: str) -> Event:
    return Event(site.study, site, kind, key, cause)


SOURCES: tuple[Callable[[date], Iterator[Event]], ...] = (
    _consent_windows,
    _withdrawals,
    _ethics,
    _embargoes,
    _grants,
)
