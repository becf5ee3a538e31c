"""What a site's home tells of the site itself: enrolment, tubes, queries and the data's quality.

Each part is one or two counts in the database, whatever the number of participants.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.db.models import Count, F, Q
from django.db.models.functions import TruncMonth

from cohorts import access, clock
from cohorts.consent_state import ConsentState, state_of
from cohorts.models import (
    AssayBatch,
    Participant,
    Query,
    Sample,
    ShippedTube,
    Site,
    User,
)
from cohorts.preanalytics import HAEMOLYSIS_LIMIT, MOST_DELAY_HOURS, MOST_FREEZE_THAWS

Status = Sample.Status


@dataclass(frozen=True)
class EnrolledMonth:
    """New and all participants by the end of a month, and how many the plan asks for by then."""

    month: date
    new: int
    total: int
    planned: int | None


def month_after(month: date) -> date:
    """The first day of the next one."""
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


@dataclass(frozen=True)
class Enrolment:
    """``months``: first day of each month with its number of new participants, in order."""

    months: tuple[tuple[date, int], ...]
    groups: tuple[tuple[str, int], ...]
    target: int | None
    target_from: date | None
    target_until: date | None
    today: date

    @property
    def n(self) -> int:
        return sum(n for _, n in self.groups)

    @property
    def due(self) -> int | None:
        """How many an even pace towards the target would have brought by today."""
        return self.planned_by(self.today)

    def planned_by(self, day: date) -> int | None:
        """How many an even pace towards the target brings by that day; None without a target."""
        if self.target is None or self.target_from is None or self.target_until is None:
            return None
        days = (self.target_until - self.target_from).days
        gone = min(max((day - self.target_from).days, 0), days)
        return round(self.target * gone / days)

    def by_month(self) -> list[EnrolledMonth]:
        """Months with somebody new, the newest first."""
        total, rows = 0, []
        for month, new in self.months:
            total += new
            rows.append(EnrolledMonth(month, new, total, self.planned_by(month_after(month))))
        return rows[::-1]

    @property
    def behind(self) -> int | None:
        """Fewer than planned by today; negative where there are more."""
        return None if self.due is None else self.due - self.n


@dataclass(frozen=True)
class Tubes:
    """The site's tubes by where they are; ``guests`` are other sites' tubes stored here."""

    total: int
    stored: int
    away: int
    in_transit: int
    blocked: int
    used_up: int
    destroyed: int
    guests: int
    coming: int  # tubes on their way here
    shipments_coming: int

    @property
    def spent(self) -> int:
        return self.used_up + self.destroyed


@dataclass(frozen=True)
class Quality:
    """Of the tables of values in use, as they were sent; and of the tubes that have a record."""

    batches: int
    measured: int
    below_lod: int
    missing: int
    flags: tuple[tuple[str, int], ...]
    tubes: int
    without_times: int

    @property
    def values(self) -> int:
        return self.measured + self.below_lod + self.missing


@dataclass(frozen=True)
class SiteHome:
    """None stands for what this reader may not see."""

    site: Site
    enrolment: Enrolment | None
    consent: ConsentState | None
    tubes: Tubes | None
    quality: Quality | None
    queries: dict[str, int] | None


def home_of(site: Site, user: User) -> SiteHome:
    """The parts that this role opens at that site."""

    def reads(resource: str) -> bool:
        return access.may(user, resource, "R", site.pk)

    today = clock.today()
    people = reads("participant")
    return SiteHome(
        site=site,
        enrolment=enrolment_of(site, clock.today_at(site)) if people else None,
        consent=state_of(site, today) if people and reads("consent") else None,
        tubes=tubes_of(site) if reads("sample") else None,
        quality=quality_of(site) if reads("sample") and reads("assay") else None,
        queries=queries_of(site, user) if reads("query") else None,
    )


def enrolment_of(site: Site, today: date) -> Enrolment:
    """By month and group; second records of one person do not count."""
    rows = (
        Participant.objects.filter(site=site)
        .counted()
        .annotate(month=TruncMonth("enrolled_on"))
        .values_list("month", "group")
        .annotate(n=Count("pk"))
        .order_by("month")
    )
    months: Counter[date] = Counter()
    groups: Counter[str] = Counter()
    for month, group, n in rows:
        months[month] += n
        groups[group] += n
    return Enrolment(
        months=tuple(sorted(months.items())),
        groups=tuple(sorted(groups.items(), key=lambda pair: (-pair[1], pair[0]))),
        target=site.target_participants,
        target_from=site.target_from,
        target_until=site.target_until,
        today=today,
    )


def tubes_of(site: Site) -> Tubes:
    """Where the site's tubes are, and what is on its way here."""
    by_place = (
        Sample.objects.filter(site=site)
        .values_list("status", "held_at")
        .annotate(n=Count("*"))  # its key is not in the index
        .order_by("status", "held_at")
    )
    found: Counter[str] = Counter()
    for status, held_at, n in by_place:
        is_away = status == Status.STORED and held_at not in (None, site.pk)
        found["away" if is_away else status] += n
    coming = ShippedTube.objects.filter(shipment__to_site=site, shipment__receipt=None)
    on_their_way = coming.aggregate(
        coming=Count("pk"), shipments_coming=Count("shipment", distinct=True)
    )
    guests = Sample.objects.filter(held_at=site, status=Status.STORED).exclude(site=site)
    return Tubes(
        total=found.total(),
        stored=found[Status.STORED],
        away=found["away"],
        in_transit=found[Status.IN_TRANSIT],
        blocked=found[Status.BLOCKED],
        used_up=found[Status.USED_UP],
        destroyed=found[Status.DESTROYED],
        guests=guests.count(),
        **on_their_way,
    )


def quality_of(site: Site) -> Quality:
    """Values by what stands behind them, and tubes by departures from good handling."""
    in_use = AssayBatch.objects.filter(site=site).accepted()
    # A table may have brought several batches: its counts are of the table.
    tables = in_use.order_by("upload_id").distinct("upload_id").values("upload__report__summary")
    counts: Counter[str] = Counter()
    for row in tables:
        summary: dict[str, Any] = row["upload__report__summary"] or {}
        for name in ("measured", "below_lod", "missing"):
            counts[name] += int(summary.get(name, 0))
    late = timedelta(hours=MOST_DELAY_HOURS)
    tubes = Sample.objects.filter(site=site, parent=None).aggregate(
        n=Count("pk"),
        late_spin=Count("pk", filter=Q(spun_at__gt=F("collected_at") + late)),
        haemolysed=Count("pk", filter=Q(haemolysis_index__gt=HAEMOLYSIS_LIMIT)),
        light=Count("pk", filter=Q(light_protected=False)),
        thawed_often=Count("pk", filter=Q(freeze_thaws__gt=MOST_FREEZE_THAWS)),
        without_times=Count("pk", filter=Q(collected_at=None) | Q(spun_at=None)),
    )
    n, without_times = tubes.pop("n"), tubes.pop("without_times")
    return Quality(
        batches=in_use.count(),
        measured=counts["measured"],
        below_lod=counts["below_lod"],
        missing=counts["missing"],
        flags=tuple(tubes.items()),
        tubes=n,
        without_times=without_times,
    )


def queries_of(site: Site, user: User) -> dict[str, int]:
    """Queries by state, those that this person reads and that somebody still has to settle."""
    rows = Query.objects.visible_to(user).filter(site=site).unsettled()
    return dict(rows.values_list("state").annotate(n=Count("pk")).order_by("state"))
