"""Studies, their sites, and who works there."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, ClassVar, Self
from zoneinfo import available_timezones

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cohorts import access
from cohorts.models.account import User
from cohorts.models.scoping import ScopedQuerySet

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

CORE_GROUPS = ("hikikomori", "pre_hikikomori", "healthy_control", "other_control")


def validate_time_zone(name: str) -> None:
    """Refuse a name that the time zone database does not have."""
    if name not in available_timezones():
        raise ValidationError(
            gettext("%(name)s is not a time zone; write one such as Asia/Tokyo.")
            % {"name": repr(name)}
        )


class StudyQuerySet(ScopedQuerySet["Study"]):
    resource = "study"
    site_path = ""


class Study(models.Model):
    """What the sites do together; its groups extend the four of hikikomori research."""

    code = models.SlugField(unique=True)
    title = models.CharField(max_length=200)
    more_groups = ArrayField(models.SlugField(), default=list, blank=True)
    # What a batch is held against: a feature over a limit is named on the batch's page.
    qc_rsd_percent = models.FloatField(_("RSD of QC pools, at most (%)"), default=30.0)
    qc_blank_percent = models.FloatField(_("blank against QC pools, at most (%)"), default=30.0)
    qc_missing_percent = models.FloatField(_("missing values, at most (%)"), default=30.0)
    qc_failing_percent = models.FloatField(
        _("features over a limit, at most (%)"),
        default=20.0,
        help_text=_("A batch with more of them raises a data query."),
    )

    objects: ClassVar = StudyQuerySet.as_manager()

    class Meta:
        ordering = ["code"]
        verbose_name_plural = _("studies")
        constraints = [
            models.CheckConstraint(
                name="study_qc_limits_above_zero",
                condition=Q(
                    qc_rsd_percent__gt=0,
                    qc_blank_percent__gt=0,
                    qc_missing_percent__gt=0,
                    qc_failing_percent__gt=0,
                ),
                violation_error_message=_("An acceptance limit is a percentage above 0."),
            )
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def groups(self) -> frozenset[str]:
        """Groups that a participant may be in."""
        return frozenset(CORE_GROUPS) | frozenset(self.more_groups)


class SiteQuerySet(ScopedQuerySet["Site"]):
    resource = "site"
    site_path = "pk"

    def locked(self, pk: int) -> Site:
        """The site with its study, its own row locked: what is checked now stays true until commit.

        Not the study's row, so that sites do not wait for each other.
        """
        found: Site = (
            self.select_for_update(of=("self",), no_key=True).select_related("study").get(pk=pk)
        )
        return found


class Site(models.Model):
    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="sites")
    code = models.CharField(
        max_length=12,
        unique=True,
        validators=[
            RegexValidator(
                r"^[A-Z][A-Z0-9_-]{1,11}$", _("2 to 12 capitals or digits, such as FUK.")
            )
        ],
    )
    name = models.CharField(max_length=200)
    country = models.CharField(
        max_length=2,
        blank=True,
        validators=[RegexValidator(r"^[A-Z]{2}$", _("Two capitals, such as JP."))],
    )
    time_zone = models.CharField(max_length=64, default="UTC", validators=[validate_time_zone])
    languages = ArrayField(models.CharField(max_length=16), default=list, blank=True)
    ethics_approval = models.CharField(max_length=200, blank=True)
    ethics_expires_on = models.DateField(null=True, blank=True)
    target_participants = models.PositiveIntegerField(
        _("participants to enrol"), null=True, blank=True, help_text=_("With both dates, or empty.")
    )
    target_from = models.DateField(_("enrolment from"), null=True, blank=True)
    target_until = models.DateField(_("enrolment until"), null=True, blank=True)
    paused_because = models.CharField(
        max_length=200,
        blank=True,
        editable=False,
        help_text=_("Why no table of the site is taken for now; empty where they are."),
    )

    objects: ClassVar = SiteQuerySet.as_manager()

    class Meta:
        ordering = ["code"]
        constraints = [
            models.CheckConstraint(
                name="site_target_whole",
                condition=Q(target_participants=None, target_from=None, target_until=None)
                | Q(
                    target_participants__isnull=False,
                    target_participants__gte=1,
                    target_from__isnull=False,
                    target_until__isnull=False,
                ),
                violation_error_message=_(
                    "A target is a number of participants, 1 or more, with the day it begins and "
                    "the day it ends: write all three, or none."
                ),
            ),
            models.CheckConstraint(
                name="site_target_ends_after_begin",
                condition=Q(target_until=None) | Q(target_until__gt=F("target_from")),
                violation_error_message=_("The target ends before it begins: check both dates."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.name}"


class MembershipQuerySet(models.QuerySet["Membership"]):
    def in_force(self, on: date) -> Self:
        """Begun and not ended on that day."""
        return self.filter(from_date__lte=on).exclude(until_date__lte=on)

    def visible_to(self, user: User | AnonymousUser) -> Self:
        """Own roles, and those that the permission table opens."""
        where = access.reach(user, "account")
        if where.everywhere:
            return self
        return self.filter(Q(user_id=user.pk) | Q(site__in=where.site_ids))


MembershipManager = models.Manager.from_queryset(MembershipQuerySet)


class Membership(models.Model):
    """A role that a user holds at a site from a day until a day; consortium roles name no site."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    site = models.ForeignKey(
        Site, on_delete=models.PROTECT, related_name="memberships", null=True, blank=True
    )
    role = models.CharField(max_length=2, choices=list(access.ROLES.items()))
    from_date = models.DateField(_("from"), default=date.today)
    until_date = models.DateField(_("until"), null=True, blank=True)
    recorded_on = models.DateField(default=date.today, editable=False)

    objects: ClassVar = MembershipManager()

    class Meta:
        ordering = ["user_id", "role"]
        constraints = [
            models.CheckConstraint(
                name="membership_site_fits_role",
                condition=Q(role__in=sorted(access.CONSORTIUM_ROLES), site=None)
                | (~Q(role__in=sorted(access.CONSORTIUM_ROLES)) & Q(site__isnull=False)),
                violation_error_message=_(
                    "A site role needs its site; a consortium role names none."
                ),
            ),
            models.CheckConstraint(
                name="membership_until_after_from",
                condition=Q(until_date=None) | Q(until_date__gte=F("from_date")),
                violation_error_message=_("Ends before it begins: check both dates."),
            ),
            models.UniqueConstraint(
                name="membership_once",
                fields=["user", "site", "role", "from_date"],
                nulls_distinct=False,
                violation_error_message=_(
                    "This person holds that role there from that day already."
                ),
            ),
        ]

    def __str__(self) -> str:
        role = self.get_role_display()
        if self.site:
            role = gettext("%(role)s at %(site)s") % {"role": role, "site": self.site.code}
        return f"{self.user}: {role}"
