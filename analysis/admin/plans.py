"""The admin of plans: validated, previewed before it is saved, locked before data arrive."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import JSONField, Max
from django.forms.fields import InvalidJSONInput
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from analysis.models import Plan
from analysis.services import plan_locks
from analysis.services.departures import departure_of
from cohorts.admin_site import ScopedAdmin, site
from cohorts.errors import DomainError
from cohorts.language.told import told as told_in_words
from cohorts.requests import user_of


class Written(forms.JSONField):
    """The plan as people write it: a setting a line."""

    widget = forms.Textarea(attrs={"rows": 30, "cols": 90, "spellcheck": "false", "class": "json"})

    def to_python(self, value: Any) -> Any:
        try:
            return super().to_python(value)
        except ValidationError as refused:
            raise ValidationError(_where(value)) from refused

    def prepare_value(self, value: Any) -> Any:
        unsaid = isinstance(value, InvalidJSONInput | str)
        return value if unsaid else json.dumps(value, indent=2, ensure_ascii=False)


def _where(written: str) -> str:
    """Where the text stops being JSON."""
    try:
        json.loads(written)
    except json.JSONDecodeError as error:
        words = _(
            "Line %(line)s, column %(column)s: the text is no JSON from here on. Look for a comma, "
            "a quote or a bracket that is missing, or one too many, here or just before."
        )
        return str(words % {"line": error.lineno, "column": error.colno})
    return gettext("Enter a valid JSON.")


@admin.register(Plan, site=site)
class PlanAdmin(ScopedAdmin):
    """Runs keep the version that they followed, so no version is ever edited."""

    editable = True
    change_form_template = "admin/analysis/plan/change_form.html"
    list_display = ["name", "version", "study", "followed", "created_at", "locked_at"]
    list_filter = ["study", "followed"]
    search_fields = ["name"]
    list_select_related = ["study"]
    readonly_fields = ["version", "created_at", "written_by", "registration"]
    formfield_overrides: ClassVar[dict[Any, Any]] = {JSONField: {"form_class": Written}}

    @admin.display(description=_("preregistration"))
    def registration(self, plan: Plan) -> str:
        told = plan_locks.registration_of(plan) or departure_of(plan)
        return told_in_words(told["words"]) if told else gettext("Not locked.")

    def get_readonly_fields(self, request: HttpRequest, obj: Plan | None = None) -> list[str]:
        return [*self.readonly_fields, *(["name", "study"] if obj else [])]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request, "C")

    def save_model(self, request: HttpRequest, obj: Plan, form: Any, change: bool) -> None:
        newest = Plan.objects.filter(name=obj.name).aggregate(n=Max("version"))["n"] or 0
        version = Plan(
            study=obj.study,
            name=obj.name,
            data=obj.data,
            followed=obj.followed,
            version=newest + 1,
            written_by=user_of(request),
        )
        version.save()
        # The admin goes on with the row that it was given: that is the new version now.
        obj.__dict__.update(version.__dict__)
        if change:
            words = gettext(
                "Kept as version %(version)s; earlier runs keep the version they followed."
            )
            messages.info(request, words % {"version": obj.version})
        if departure := departure_of(obj):
            words = gettext(
                "%(departure)s It runs in place of the preregistered one, and each of its runs "
                "says so. To have both, save these settings as a plan of another name and the "
                "preregistered ones as the newest version here."
            )
            told = told_in_words(departure["words"])
            messages.warning(request, words % {"departure": told})

    # --- preview and lock

    def get_urls(self) -> list[URLPattern]:
        lock = path(
            "<int:plan_id>/lock/", self.admin_site.admin_view(self.lock), name="analysis_plan_lock"
        )
        urls: list[URLPattern] = [lock, *super().get_urls()]
        return urls

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """``Preview`` shows what would run and saves nothing; faults are shown as when saving."""
        if request.method == "POST" and "_preview" in request.POST and self._may(request, "C"):
            plan = self.get_object(request, object_id) if object_id else None
            form = self.get_form(request, plan, change=plan is not None)(
                request.POST, request.FILES, instance=plan
            )
            if form.is_valid():
                return self._previewed(request, form.instance)
        more = (extra_context or {}) | {"may_lock": self._may(request, "A")}
        answer: HttpResponse = super().changeform_view(request, object_id, form_url, more)
        return answer

    def _previewed(self, request: HttpRequest, plan: Plan) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("What %(name)s would run, with these settings and the data of now")
            % {"name": plan.name},
            "preview": plan_locks.preview(plan.study, plan.data),
            "plan": plan,
        }
        return render(request, "admin/analysis/plan/preview.html", context)

    def lock(self, request: HttpRequest, plan_id: int) -> HttpResponse:
        """Lock this version; asks no more, since the button says what it does."""
        if request.method != "POST" or not self._may(request, "A"):
            raise PermissionDenied
        try:
            plan = plan_locks.lock(plan_id, by=user_of(request))
            messages.success(request, f"{gettext('Locked.')} {self.registration(plan)}")
        except DomainError as error:
            messages.error(request, error.message)
        return HttpResponseRedirect(reverse("admin:analysis_plan_change", args=[plan_id]))
