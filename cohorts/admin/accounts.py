"""Accounts, roles, invitations, tries to sign in and exports of records, in the admin."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import AdminPasswordChangeForm, UserChangeForm
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from cohorts import access, models
from cohorts.admin_site import PlainStack, ScopedAdmin, site
from cohorts.language.told import told


class MembershipInline(PlainStack):
    model = models.Membership
    extra = 0
    fields = ["role", "site", "from_date", "until_date"]

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return access.reach(request.user, "account").everywhere

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Nobody gives themselves a role.
        return access.reach(request.user, "account", "U").everywhere and obj != request.user

    has_add_permission = has_change_permission

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # a role ends by its date, so that it stays known who held it


class PasswordForm(AdminPasswordChangeForm):  # type: ignore[type-arg]  # it takes none
    """A new password, or none; what that means is said in our words, which have every language."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if asked := self.fields.get("usable_password"):
            asked.help_text = _("Without a password the person signs in by a passkey alone.")


@admin.register(models.User, site=site)
class UserAdmin(ScopedAdmin, DjangoUserAdmin):  # type: ignore[type-arg]  # it takes none
    """Accounts. What somebody may do stands in the roles beneath, not in Django's permissions."""

    editable = True
    resource = "account"
    form = UserChangeForm
    change_password_form = PasswordForm
    list_display = ["username", "first_name", "last_name", "email", "is_active", "last_login"]
    list_filter = ["is_active"]
    search_fields = ["username", "email", "first_name", "last_name"]
    filter_horizontal = []
    fieldsets = [
        (None, {"fields": ["username", "password"]}),
        (_("Person"), {"fields": ["first_name", "last_name", "email"]}),
        (_("Account"), {"fields": ["is_active", "last_login", "date_joined", "stopped_at"]}),
    ]
    readonly_fields = ["last_login", "date_joined", "stopped_at"]
    inlines = [MembershipInline]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Whoever only reads accounts is shown nothing of a password, and no way to reset it."""
        shown = super().get_fieldsets(request, obj)
        if self.has_change_permission(request, obj):
            return shown
        return [(None, {"fields": ["username"]}), *shown[1:]]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        seen = access.reach(request.user, "account").everywhere
        return models.User.objects.all() if seen else models.User.objects.none()


@admin.register(models.Membership, site=site)
class MembershipAdmin(ScopedAdmin):
    resource = "account"
    list_display = ["user", "role", "site", "from_date", "until_date"]
    list_filter = ["role", "site"]
    search_fields = ["user__username"]
    list_select_related = ["user", "site"]


class TokenForm(forms.ModelForm):  # type: ignore[type-arg]  # it takes none
    class Meta:
        model = models.ApiToken
        fields = ["name"]


@admin.register(models.ApiToken, site=site)
class ApiTokenAdmin(ScopedAdmin):
    """One's own tokens only; they are issued and revoked on the account page."""

    resource = "account"
    form = TokenForm
    list_display = ["name", "created_at", "expires_at", "last_used_at", "revoked_at"]


@admin.register(models.Invitation, site=site)
class InvitationAdmin(ScopedAdmin):
    list_display = ["email", "role", "site", "invited_by", "created_at", "accepted_at"]
    list_filter = ["role", "site"]
    search_fields = ["email"]
    exclude = ["digest"]


@admin.register(models.SignInAttempt, site=site)
class SignInAttemptAdmin(ScopedAdmin):
    list_display = ["at", "user", "address", "passed"]
    list_filter = ["passed", "at"]
    list_select_related = ["user"]
    exclude = ["name_digest"]


@admin.register(models.ExportRequest, site=site)
class ExportRequestAdmin(ScopedAdmin):
    list_display = ["asked_at", "site", "format", "recipient", "asked_by", "approved", "decided_by"]
    list_filter = ["site", "format", "approved"]
    list_select_related = ["site", "asked_by", "decided_by"]


@admin.register(models.RecordExport, site=site)
class RecordExportAdmin(ScopedAdmin):
    list_display = ["exported_at", "site", "format", "reason", "exported_by", "n_participants"]
    list_filter = ["site", "format"]
    list_select_related = ["site", "exported_by"]


@admin.register(models.RecordReading, site=site)
class RecordReadingAdmin(ScopedAdmin):
    """Who read people's records in bulk: whole lists, and the values of a batch."""

    list_display = ["read_at", "read_by", "site", "what_was_read", "n_rows"]
    list_filter = ["site", "read_at"]
    search_fields = ["read_by__username", "what"]
    list_select_related = ["site", "read_by"]

    @admin.display(description=_("what was read"), ordering="what")
    def what_was_read(self, reading: models.RecordReading) -> str:
        return told(reading.what)
