"""Forms of the dictionary: what a name is, and a feature renamed, merged or split."""

from __future__ import annotations

from typing import Any

from django import forms

from cohorts import access
from cohorts.forms import PlainForm
from cohorts.models import Feature, Site, User

EVERYWHERE = ""


class ReasonForm(PlainForm):
    reason = forms.CharField(label="Why", max_length=300)


class DecisionForm(ReasonForm):
    """What a waiting name is; a site's data manager says of the own site's names only."""

    decision = forms.ChoiceField(label="This name is")
    of = forms.ModelChoiceField(
        Feature.objects.filter(reviewed=True, merged_into=None),
        label="of the feature",
        to_field_name="name",
        required=False,
        empty_label="choose",
    )
    site = forms.ModelChoiceField(
        Site.objects.none(), label="at", to_field_name="code", required=False
    )
    name = forms.CharField(label="Name in the dictionary", max_length=200, required=False)
    canonical_unit = forms.CharField(label="Canonical unit", max_length=20, required=False)
    molar_mass = forms.FloatField(label="Molar mass (g/mol)", min_value=0, required=False)
    hmdb = forms.CharField(label="HMDB", max_length=11, required=False)
    field_order = ("decision", "of", "site", "name", "canonical_unit", "molar_mass", "hmdb")

    def __init__(self, *args: Any, by: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for_all = access.may(by, "source_name", "A")
        own = access.reach(by, "source_name", "C")
        decision, site = self.fields["decision"], self.fields["site"]
        assert isinstance(decision, forms.ChoiceField)  # noqa: S101 - declared above
        assert isinstance(site, forms.ModelChoiceField)  # noqa: S101 - declared above
        words = [("alias", "another name"), ("new", "a new feature"), ("ignore", "not analysed")]
        decision.choices = words if for_all else words[:1]
        sites = Site.objects.order_by("code")
        site.queryset = sites if own.everywhere else sites.filter(pk__in=own.site_ids)
        site.empty_label = "every site" if for_all else "choose"
        site.required = not for_all
        if not for_all:
            for only_for_all in ("name", "canonical_unit", "molar_mass", "hmdb"):
                del self.fields[only_for_all]

    def clean(self) -> dict[str, Any]:
        """An alias names its feature."""
        said = super().clean() or {}
        if said.get("decision") == "alias" and not said.get("of") and "of" not in self.errors:
            self.add_error("of", "Choose the feature that is meant.")
        return said


class RenameForm(ReasonForm):
    name = forms.CharField(label="New name", max_length=200)
    field_order = ("name", "reason")


class MergeForm(ReasonForm):
    into = forms.ModelChoiceField(
        Feature.objects.filter(merged_into=None),
        label="The feature that stays",
        to_field_name="name",
        empty_label="choose",
    )
    field_order = ("into", "reason")


class SplitForm(ReasonForm):
    name = forms.CharField(label="Name of the new feature", max_length=200)
    sites = forms.ModelMultipleChoiceField(
        Site.objects.order_by("code"), label="Sites that measure it", to_field_name="code"
    )
    field_order = ("name", "sites", "reason")
