"""Forms of the dictionary: what a name is, and a feature renamed, merged or split."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from cohorts import access
from cohorts.forms.base import PlainForm
from cohorts.models import Feature, Site, User

EVERYWHERE = ""


class ReasonForm(PlainForm):
    reason = forms.CharField(label=_("Why"), max_length=300)


class DecisionForm(ReasonForm):
    """What a waiting name is; a site's data manager says of the own site's names only."""

    decision = forms.ChoiceField(label=_("This name is"))
    of = forms.ModelChoiceField(
        Feature.objects.filter(reviewed=True, merged_into=None),
        label=_("of the feature"),
        to_field_name="name",
        required=False,
        empty_label=_("choose"),
    )
    site = forms.ModelChoiceField(
        Site.objects.none(), label=_("at"), to_field_name="code", required=False
    )
    name = forms.CharField(label=_("Name in the dictionary"), max_length=200, required=False)
    canonical_unit = forms.CharField(label=_("Canonical unit"), max_length=20, required=False)
    molar_mass = forms.FloatField(label=_("Molar mass (g/mol)"), min_value=0, required=False)
    hmdb = forms.CharField(label="HMDB", max_length=11, required=False)
    field_order = ("decision", "of", "site", "name", "canonical_unit", "molar_mass", "hmdb")

    def __init__(self, *args: Any, by: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for_all = access.may(by, "source_name", "A")
        own = access.reach(by, "source_name", "C")
        decision, site = self.fields["decision"], self.fields["site"]
        assert isinstance(decision, forms.ChoiceField)  # noqa: S101 - declared above
        assert isinstance(site, forms.ModelChoiceField)  # noqa: S101 - declared above
        words = [
            ("alias", _("another name")),
            ("new", _("a new feature")),
            ("ignore", _("not analysed")),
        ]
        decision.choices = words if for_all else words[:1]
        sites = Site.objects.order_by("code")
        site.queryset = sites if own.everywhere else sites.filter(pk__in=own.site_ids)
        site.empty_label = _("every site") if for_all else _("choose")
        site.required = not for_all
        if not for_all:
            for only_for_all in ("name", "canonical_unit", "molar_mass", "hmdb"):
                del self.fields[only_for_all]

    def clean(self) -> dict[str, Any]:
        """An alias names its feature."""
        said = super().clean() or {}
        if said.get("decision") == "alias" and not said.get("of") and "of" not in self.errors:
            self.add_error("of", _("Choose the feature that is meant."))
        return said


class RenameForm(ReasonForm):
    name = forms.CharField(label=_("New name"), max_length=200)
    field_order = ("name", "reason")


class MergeForm(ReasonForm):
    into = forms.ModelChoiceField(
        Feature.objects.filter(merged_into=None),
        label=_("The feature that stays"),
        to_field_name="name",
        empty_label=_("choose"),
    )
    field_order = ("into", "reason")


class SplitForm(ReasonForm):
    name = forms.CharField(label=_("Name of the new feature"), max_length=200)
    sites = forms.ModelMultipleChoiceField(
        Site.objects.order_by("code"), label=_("Sites that measure it"), to_field_name="code"
    )
    field_order = ("name", "sites", "reason")
