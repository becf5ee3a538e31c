"""The form with which a token is made."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from cohorts.forms.base import PlainForm
from cohorts.models import ApiToken, Site, User
from cohorts.models.account import SCOPE_WORDS, TOKEN_LIFE


class TokenForm(PlainForm):
    """A new API token: its purpose, what it may do, where, and for how long."""

    name = forms.CharField(
        label=_("What it is for"),
        max_length=ApiToken._meta.get_field("name").max_length,
        help_text=_("Such as: notebook on my laptop."),
    )
    scopes = forms.MultipleChoiceField(
        label=_("It may"),
        choices=list(SCOPE_WORDS.items()),
        initial=["read"],
        widget=forms.CheckboxSelectMultiple(attrs={"class": "form-check-input"}),
        help_text=_("Never more than you may yourself."),
    )
    sites = forms.ModelMultipleChoiceField(
        Site.objects.none(),
        required=False,
        label=_("Only at these sites"),
        widget=forms.CheckboxSelectMultiple(attrs={"class": "form-check-input"}),
        help_text=_("At all of yours where none is chosen."),
    )
    days = forms.IntegerField(
        label=_("Works for, in days"), min_value=1, max_value=TOKEN_LIFE.days, initial=90
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["sites"].queryset = Site.objects.visible_to(user)  # type: ignore[attr-defined]  # of the field
