"""Forms about accounts: an invitation, and the account that answers it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.password_validation import (
    password_validators_help_texts,
    validate_password,
)
from django.utils.functional import lazy
from django.utils.translation import gettext_lazy as _

from cohorts import access
from cohorts.forms.base import PlainForm
from cohorts.models import Site, User


def _rules() -> str:
    return " ".join(password_validators_help_texts())


class InvitationForm(PlainForm):
    """A mail address and the role that is offered; only roles that the person may give."""

    email = forms.EmailField(label=_("Mail address"))
    role = forms.ChoiceField(label=_("Role"))
    site = forms.ModelChoiceField(
        Site.objects.none(),
        label=_("Site"),
        required=False,
        empty_label=_("none: a role in the whole consortium"),
    )

    def __init__(self, *args: Any, by: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        grants = access.grants_of(by)
        role, site = self.fields["role"], self.fields["site"]
        assert isinstance(role, forms.ChoiceField)  # noqa: S101 - declared above
        assert isinstance(site, forms.ModelChoiceField)  # noqa: S101 - declared above
        given = frozenset[str]().union(*grants.values()) if grants else frozenset()
        role.choices = [(code, word) for code, word in access.ROLES.items() if code in given]
        within = access.reach(by, "account", "C")
        site.queryset = (
            Site.objects.all() if within.everywhere else Site.objects.filter(pk__in=within.site_ids)
        )
        if not within.everywhere:
            site.empty_label, site.required = None, True


class NewAccountForm(PlainForm):
    """A user name and a password for somebody who has none."""

    username = forms.CharField(
        label=_("User name"),
        max_length=150,
        widget=forms.TextInput(attrs={"autocomplete": "username", "autocapitalize": "none"}),
    )
    password = forms.CharField(
        label=_("Password"),
        # Lazy: in the language of who reads it, not of whoever started the server.
        help_text=lazy(_rules, str)(),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        strip=False,
    )

    def clean(self) -> dict[str, Any]:
        """The rules of passwords, with the user name in view."""
        said = super().clean() or {}
        if "password" in said:
            try:
                validate_password(said["password"], User(username=said.get("username", "")))
            except forms.ValidationError as error:
                self.add_error("password", error)
        return said

    @property
    def account(self) -> User:
        """The account, not saved yet."""
        made = User(username=self.cleaned_data["username"])
        made.set_password(self.cleaned_data["password"])
        return made
