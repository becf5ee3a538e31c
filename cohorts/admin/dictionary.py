"""The admin of the dictionary: a form proposes, and the page of edits is where it is approved."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cohorts import models
from cohorts.admin_site import ReadOnlyInline, ScopedAdmin, site
from cohorts.admin_values import marked, shown_state
from cohorts.errors import DomainError
from cohorts.requests import user_of
from cohorts.services.features import dictionary_edits


class ProposalForm(forms.ModelForm):  # type: ignore[type-arg]  # it takes none
    why_edited = forms.CharField(
        label=_("Why it is edited"), max_length=300, help_text=_("For who approves it.")
    )


class ProposedAdmin(ScopedAdmin):
    """Nothing is saved here: what differs from the entry becomes an edit that waits."""

    editable = True
    form = ProposalForm
    subject = ""

    def save_form(self, request: HttpRequest, form: Any, change: bool) -> Any:
        return form.save(commit=False)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        changed = set(form.changed_data) if change else set(form.cleaned_data)
        known = changed & set(dictionary_edits.FIELDS[self.subject])
        facts = {name: getattr(obj, obj._meta.get_field(name).attname) for name in known}
        reason = form.cleaned_data["why_edited"]
        pk = obj.pk if change else None
        try:
            dictionary_edits.propose(self.subject, pk, facts, reason=reason, by=user_of(request))
        except DomainError as error:
            self.message_user(request, error.message, messages.ERROR)
        except ValidationError as error:
            self.message_user(request, " ".join(error.messages), messages.ERROR)
        else:
            said = gettext("Proposed: it is in force once somebody else approves it.")
            self.message_user(request, said)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """An entry that waits has no rows of its own yet."""

    def construct_change_message(
        self, request: HttpRequest, form: Any, formsets: Any, add: bool = False
    ) -> list[Any]:
        return []

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """The edit itself is the record of who proposed what."""

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """As above."""

    def response_add(
        self, request: HttpRequest, obj: Any, post_url_continue: Any = None
    ) -> HttpResponse:
        return redirect("dictionary-edits")

    def response_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        return redirect("dictionary-edits")


class FeatureAliasInline(ReadOnlyInline):
    """Read here; another name is proposed as an entry of its own."""

    model = models.FeatureAlias
    fields = readonly_fields = ("name", "site")


@admin.register(models.Feature, site=site)
class FeatureAdmin(ProposedAdmin):
    subject = "feature"
    list_display = ["name", "hmdb", "chemical_class", "canonical_unit", "identity", "reviewed"]
    list_filter = ["reviewed", "identity", "kind", "chemical_class"]
    search_fields = ["name", "hmdb", "refmet_name", "aliases__name"]
    inlines = [FeatureAliasInline]
    exclude = ["ignored"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """What leads stored columns elsewhere is decided on the feature's page, with a reason."""
        return ["name", "is_ignored", "merged_into"] if obj else ["is_ignored", "merged_into"]

    @admin.display(description=_("ignored"))
    def is_ignored(self, feature: models.Feature) -> str:
        """Stored as sent, and read by no analysis."""
        return marked(feature.ignored)


@admin.register(models.FeatureAlias, site=site)
class FeatureAliasAdmin(ProposedAdmin):
    subject = "alias"
    list_display = ["name", "feature", "site"]
    list_filter = ["site"]
    search_fields = ["name", "feature__name"]
    list_select_related = ["feature", "site"]
    autocomplete_fields = ["feature"]


@admin.register(models.ReferenceRange, site=site)
class ReferenceRangeAdmin(ProposedAdmin):
    """Questions rest on it and values stand beside it; analyses do not read it."""

    subject = "range"
    list_display = [
        *("feature", "platform", "matrix", "sex", "age_from", "age_until"),
        *("low", "high", "source", "to_be_confirmed"),
    ]
    list_filter = ["sex", "to_be_confirmed"]
    list_select_related = ["feature"]
    raw_id_fields = ["feature"]


@admin.register(models.AcceptanceLimits, site=site)
class AcceptanceLimitsAdmin(ProposedAdmin):
    """Batches are held against them, and asked about anew."""

    subject = "limits"
    list_display = [
        *("study", "platform", "batch", "rsd_percent", "blank_percent", "missing_percent"),
        *("failing_percent", "reason"),
    ]
    list_select_related = ["study", "batch__site"]
    raw_id_fields = ["batch"]


@admin.register(models.DictionaryEdit, site=site)
class DictionaryEditAdmin(ScopedAdmin):
    """Read here; decided on the page of edits, where the difference is shown."""

    list_display = [
        *("proposed_at", "subject", "label", "kind", "proposed_by"),
        *(shown_state, "decided_by"),
    ]
    list_filter = ["subject", "kind", "approved"]
    list_select_related = ["proposed_by", "decided_by"]
