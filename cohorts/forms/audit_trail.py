"""What is looked for in the audit trail of a site."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import tzinfo
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from cohorts.forms.base import PlainForm
from cohorts.forms.people import day_field
from cohorts.services.audit.audit_trail import Asked


class TrailForm(PlainForm):
    """Everything by default; ``kinds`` are those that the reader may read."""

    kind = forms.ChoiceField(label=_("Kind of record"), required=False)
    by = forms.CharField(label=_("By (user name)"), max_length=150, required=False)
    since = day_field(_("From day"), required=False)
    until = day_field(_("To day"), required=False)

    def __init__(self, *args: Any, kinds: Mapping[str, str], alone: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        kind = self.fields["kind"]
        assert isinstance(kind, forms.ChoiceField)  # noqa: S101 - declared above
        kind.choices = [("", _("every kind")), *kinds.items()]
        if alone:  # one's own doings are one person's
            del self.fields["by"]

    def asked(self, zone: tzinfo) -> Asked:
        """Of the valid form."""
        said = self.cleaned_data
        return Asked(said.get("by", ""), said["kind"], said["since"], said["until"], zone)
