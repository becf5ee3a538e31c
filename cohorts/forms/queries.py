"""Forms of data queries. They ask; the services decide."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from cohorts.forms.base import PlainForm
from cohorts.query_subjects import BY_CODE, Choices


class QueryTextForm(PlainForm):
    """An answer, a further question, or why a query is closed."""

    text = forms.CharField(
        label=_("Your words"), max_length=1000, widget=forms.Textarea(attrs={"rows": 3})
    )


class NewQueryForm(PlainForm):
    """A question about one record."""

    about_kind = forms.ChoiceField(label=_("About"))
    about = forms.CharField(
        label=_("Code of the participant or sample"),
        max_length=64,
        required=False,
        help_text=_("Another record is asked about from its own page, or chosen under About."),
    )
    text = forms.CharField(
        label=_("What do you want to know?"),
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_(
            "No names or contact details. A laboratory reads questions about samples and "
            "batches: no sex, age, group or diagnosis there."
        ),
    )

    def __init__(self, offered: Choices, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self.fields["about_kind"].choices = offered  # type: ignore[attr-defined]  # it is a choice

    def clean(self) -> dict[str, Any]:
        """``subject`` is what the question is about, as kind and key."""
        said: dict[str, Any] = super().clean() or {}
        kind = said.get("about_kind", "")
        code = said.get("about", "").strip()
        if kind in BY_CODE and not code:
            self.add_error("about", _("Write the code of the participant or sample."))
        said["subject"] = f"{kind}:{code}" if kind in BY_CODE else kind
        return said
