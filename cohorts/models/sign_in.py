"""Tries to sign in, and invitations to have an account."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import ClassVar, Self

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cohorts import access
from cohorts.models.account import User
from cohorts.models.scoping import ScopedQuerySet
from cohorts.models.site import Site


class SignInAttemptQuerySet(ScopedQuerySet["SignInAttempt"]):
    resource = "account"
    site_path = ""

    def of_name(self, digest: str) -> Self:
        return self.filter(name_digest=digest)

    def since_the_last_that_passed(self, within: timedelta) -> Self:
        """Wrong tries in a row, up to now, none older than ``within``."""
        since = timezone.now() - within
        right = self.filter(passed=True).order_by("-at").values_list("at", flat=True).first()
        return self.filter(passed=False, at__gt=max(since, right) if right else since)


class SignInAttempt(models.Model):
    """Somebody gave a user name and a password. Names that nobody has are kept as digests too:

    people type their password into the wrong field.
    """

    name_digest = models.CharField(max_length=64, editable=False)
    user = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="sign_ins"
    )
    address = models.GenericIPAddressField()
    at = models.DateTimeField(auto_now_add=True, db_index=True)
    passed = models.BooleanField(default=False, help_text=_("Whether the password was right."))

    objects: ClassVar = SignInAttemptQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(name="sign_ins_of_a_name", fields=["name_digest", "-at"])]

    def __str__(self) -> str:
        who = self.user or gettext("somebody")
        return gettext("%(who)s from %(address)s") % {"who": who, "address": self.address}


class InvitationQuerySet(ScopedQuerySet["Invitation"]):
    resource = "account"

    def open(self, at: datetime) -> Self:
        """Neither accepted, taken back nor run out."""
        return self.filter(accepted_at=None, withdrawn_at=None, expires_at__gt=at)


class Invitation(models.Model):
    """A role offered to whoever reads mail at an address; its key is in the mail alone."""

    email = models.EmailField()
    role = models.CharField(max_length=2, choices=list(access.ROLES.items()))
    site = models.ForeignKey(
        Site, on_delete=models.PROTECT, null=True, blank=True, related_name="invitations"
    )
    invited_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="invitations")
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)
    accepted_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="accepted_invitations"
    )
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar = InvitationQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                name="invitation_site_fits_role",
                condition=Q(role__in=sorted(access.CONSORTIUM_ROLES), site=None)
                | (~Q(role__in=sorted(access.CONSORTIUM_ROLES)) & Q(site__isnull=False)),
                violation_error_message=_(
                    "A site role needs its site; a consortium role names none."
                ),
            ),
            models.UniqueConstraint(
                name="one_open_invitation",
                fields=["email", "site", "role"],
                condition=Q(accepted_at=None, withdrawn_at=None),
                nulls_distinct=False,
                violation_error_message=_(
                    "This address is invited to that role already: take that invitation back "
                    "to send another."
                ),
            ),
        ]

    def __str__(self) -> str:
        role = self.get_role_display()
        if self.site is None:
            return str(role)
        return gettext("%(role)s at %(site)s") % {"role": role, "site": self.site.code}
