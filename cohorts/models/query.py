"""Data queries: a question about one record, its answers as events, and how it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cohorts import access
from cohorts.models.account import User
from cohorts.models.assay import AssayBatch
from cohorts.models.assessment import Assessment
from cohorts.models.participant import Participant
from cohorts.models.sample import Sample
from cohorts.models.scoping import ScopedQuerySet
from cohorts.models.shipment import Shipment
from cohorts.models.site import Site
from cohorts.models.upload import Upload

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

# What a query can be about: each a field of its own, so that an erased record takes its queries.
SUBJECTS = ("participant", "sample", "upload", "batch", "assessment", "shipment")
# Uploads whose reports speak of people; the others are read in a laboratory too.
_OF_PEOPLE = ("participants", "redcap", "assessments")


def _exactly_one(names: tuple[str, ...]) -> Q:
    found = Q()
    for chosen in names:
        found |= Q(**{f"{name}__isnull": name != chosen for name in names})
    return found


class QueryQuerySet(ScopedQuerySet["Query"]):
    resource = "query"

    def unsettled(self) -> Self:
        """Open or answered: somebody still has to act."""
        return self.exclude(state=Query.State.CLOSED)

    def open_to(self, user: User | AnonymousUser, verb: str) -> Self:
        """Who reads no participants (a laboratory) reads no query about people either."""
        found = super().open_to(user, verb)
        people = access.reach(user, "participant")
        if people.everywhere:
            return found
        blind = Q(participant=None, assessment=None) & (
            Q(upload=None) | ~Q(upload__kind__in=_OF_PEOPLE)
        )
        return found.filter(Q(site__in=people.site_ids) | blind)


class Query(models.Model):
    """Asked by a person, or by a rule, which also closes it once its cause is gone."""

    class State(models.TextChoices):
        OPEN = "open", _("Open")
        ANSWERED = "answered", _("Answered")
        CLOSED = "closed", _("Closed")

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="queries")
    participant = models.ForeignKey(
        Participant, on_delete=models.CASCADE, null=True, blank=True, related_name="queries"
    )
    sample = models.ForeignKey(
        Sample, on_delete=models.CASCADE, null=True, blank=True, related_name="queries"
    )
    upload = models.ForeignKey(
        Upload, on_delete=models.CASCADE, null=True, blank=True, related_name="queries"
    )
    batch = models.ForeignKey(
        AssayBatch, on_delete=models.CASCADE, null=True, blank=True, related_name="queries"
    )
    assessment = models.ForeignKey(
        Assessment, on_delete=models.CASCADE, null=True, blank=True, related_name="queries"
    )
    shipment = models.ForeignKey(
        Shipment, on_delete=models.CASCADE, null=True, blank=True, related_name="queries"
    )
    rule = models.SlugField(max_length=40, blank=True, help_text=_("Empty: a person asked."))
    cause = models.CharField(
        max_length=200,
        blank=True,
        help_text=_("What the rule found, for programs: one query each."),
    )
    text = models.CharField(max_length=1000)
    said = models.JSONField(
        default=dict,
        blank=True,
        editable=False,
        help_text=_("What the rule's sentence was made of, to be said in other languages."),
    )
    state = models.CharField(max_length=8, choices=State, default=State.OPEN)
    raised_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="queries_raised"
    )
    raised_at = models.DateTimeField(default=timezone.now, editable=False)
    closed_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="queries_closed"
    )
    closed_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar = QueryQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = _("queries")
        indexes = [models.Index(fields=["site", "state", "-id"], name="query_by_site_and_state")]
        constraints = [
            models.CheckConstraint(
                name="query_about_one_record",
                condition=_exactly_one(SUBJECTS),
                violation_error_message=format_lazy(
                    _("A query is about exactly one record: {names}."),
                    names=", ".join(SUBJECTS),
                ),
            ),
            models.CheckConstraint(
                name="query_asked_by_rule_or_person",
                condition=(Q(rule="") & Q(raised_by__isnull=False))
                | (~Q(rule="") & Q(raised_by=None)),
                violation_error_message=_("A query is asked by a rule or by a person."),
            ),
            models.CheckConstraint(
                name="query_has_text",
                condition=~Q(text=""),
                violation_error_message=_("Write what you want to know."),
            ),
            models.CheckConstraint(
                name="query_closed_at_a_time",
                condition=(Q(state="closed") & Q(closed_at__isnull=False))
                | (~Q(state="closed") & Q(closed_at=None, closed_by=None)),
                violation_error_message=_("A closed query, and no other, has the time of closing."),
            ),
            models.UniqueConstraint(
                name="one_query_a_cause",
                fields=["rule", "cause", *SUBJECTS],
                condition=~Q(rule="") & ~Q(state="closed"),
                nulls_distinct=False,
                violation_error_message=_("This rule has asked this already."),
            ),
        ]

    def __str__(self) -> str:
        return gettext("query %(n)s at %(site)s") % {"n": self.pk, "site": self.site.code}

    @property
    def subject_kind(self) -> str:
        """Which of `SUBJECTS` it is about."""
        return next(name for name in SUBJECTS if getattr(self, f"{name}_id") is not None)

    @property
    def subject(self) -> models.Model:
        """The record itself."""
        found: models.Model = getattr(self, self.subject_kind)
        return found


class QueryEventQuerySet(ScopedQuerySet["QueryEvent"]):
    resource = "query"
    site_path = "query__site"

    def open_to(self, user: User | AnonymousUser, verb: str) -> Self:
        """Those of the queries that the person reads."""
        return self.filter(query__in=Query.objects.open_to(user, verb).values("pk"))


class QueryEvent(models.Model):
    """One thing that was said or done about a query; never changed afterwards."""

    class Kind(models.TextChoices):
        ANSWERED = "answered", _("Answered")
        ASKED_AGAIN = "asked_again", _("asked again")
        CLOSED = "closed", _("Closed")

    query = models.ForeignKey(Query, on_delete=models.CASCADE, related_name="events")
    kind = models.CharField(max_length=11, choices=Kind)
    by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True)
    at = models.DateTimeField(default=timezone.now, editable=False)
    text = models.CharField(max_length=1000)

    objects: ClassVar = QueryEventQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                name="query_event_has_text",
                condition=~Q(text=""),
                violation_error_message=_(
                    "Say it in words: an answer without text answers nothing."
                ),
            )
        ]

    def __str__(self) -> str:
        return f"{self.query}: {self.get_kind_display()}"
