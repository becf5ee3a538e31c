"""The admin of claims, runs and results: results never change."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.filters import AllValuesFieldListFilter
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from analysis import models
from analysis.figures import signed, span
from analysis.services import freshness, queue
from analysis.services.disclosure import releasing
from analysis.services.staleness import with_staleness
from cohorts import access
from cohorts.admin.reference import ReferenceAdmin
from cohorts.admin_site import ScopedAdmin, site
from cohorts.admin_values import marked
from cohorts.errors import DomainError
from cohorts.language.told import told
from cohorts.requests import user_of

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


class ClaimForm(forms.ModelForm):  # type: ignore[type-arg]  # it takes none
    why_edited = forms.CharField(label=_("Why it is edited"), max_length=300)


@admin.register(models.Claim, site=site)
class ClaimAdmin(ReferenceAdmin):
    form = ClaimForm
    list_display = ["code", "marker", "kind", "matrix", "stratum", "direction", "doi"]
    list_filter = ["kind", "matrix", "stratum"]
    search_fields = ["code", "marker"]
    list_select_related = ["study"]

    def construct_change_message(
        self, request: HttpRequest, form: Any, formsets: Any, add: bool = False
    ) -> Any:
        """What it said, what it says, and why."""
        changed = [name for name in form.changed_data if name in form.initial]
        said = [
            f"{name}: {form.initial[name]} → {form.cleaned_data[name]}"
            for name in changed
            if not add
        ]
        return " | ".join([*said, form.cleaned_data["why_edited"]])


class PlanFilter(AllValuesFieldListFilter):
    """By the plan's name, whatever its version."""

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self.title = _("plan")


@admin.register(models.Run, site=site)
class RunAdmin(ScopedAdmin):
    list_display = [
        *("short", "plan", "standing", "why_it_ran", "queued_at"),
        *("published_at", "released_at", "stale", "priority"),
    ]
    actions = ["cancel", "put_first", "put_last", "retry", "release"]
    list_filter: ClassVar[list[Any]] = ["state", ("plan__name", PlanFilter)]
    search_fields = ["id", "key"]
    list_select_related = ["plan"]
    raw_id_fields = ["snapshot", "same_as", "requested_by", "released_by"]

    @admin.display(description=_("state"), ordering="state")
    def standing(self, run: models.Run) -> str:
        state = run.get_state_display()
        return f"{state}: {told(run.failure)}" if run.failure else state

    def acts_fit(self, run: models.Run) -> Iterable[str]:
        if run.state == run.State.QUEUED:
            yield from ("put_first", "put_last")
        if run.state in run.UNDER_WAY:
            yield "cancel"
        if run.state in run.UNDONE:
            yield "retry"
        if run.state == run.State.PUBLISHED and not run.released_at:
            yield "release"

    @admin.display(description=_("Why it ran"), ordering="cause")
    def why_it_ran(self, run: models.Run) -> str:
        return told(run.cause)

    def has_place_permission(self, request: HttpRequest) -> bool:
        return self._may(request, "U")

    @admin.action(description=_("Cancel"), permissions=["place"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        self._each(
            request,
            queryset,
            _("Run %(run)s is cancelled."),
            lambda run: queue.cancel(run.pk, by=user_of(request)),
        )

    @admin.action(description=_("Put first"), permissions=["place"])
    def put_first(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        self._place(request, queryset, models.LARGEST_PRIORITY, _("Run %(run)s is put first."))

    @admin.action(description=_("Put last"), permissions=["place"])
    def put_last(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        self._place(request, queryset, -models.LARGEST_PRIORITY, _("Run %(run)s is put last."))

    def has_start_permission(self, request: HttpRequest) -> bool:
        return self._may(request, "S")

    @admin.action(description=_("Try again"), permissions=["start"])
    def retry(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        def again(run: models.Run) -> None:
            freshness.ring("analysis.execute", str(queue.retry(run.pk, by=user_of(request)).pk))

        self._each(request, queryset, _("Run %(run)s is asked for again."), again)

    def has_approve_permission(self, request: HttpRequest) -> bool:
        return bool(access.may(user_of(request), "unreleased_result", "A"))

    @admin.action(description=_("Release"), permissions=["approve"])
    def release(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        self._each(
            request,
            queryset,
            _("Run %(run)s is released."),
            lambda run: releasing.approve(run.pk, by=user_of(request)),
        )

    def _place(
        self, request: HttpRequest, queryset: QuerySet[Any], priority: int, done: StrOrPromise
    ) -> None:
        self._each(
            request,
            queryset,
            done,
            lambda run: queue.prioritise(run.pk, priority=priority, by=user_of(request)),
        )

    def _each(
        self,
        request: HttpRequest,
        queryset: QuerySet[Any],
        done: StrOrPromise,
        act: Callable[[models.Run], object],
    ) -> None:
        for run in queryset.order_by("queued_at"):
            try:
                act(run)
            except DomainError as error:
                self.message_user(request, f"{self.short(run)}: {error.message}", messages.ERROR)
            else:
                self.message_user(request, done % {"run": self.short(run)})

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return with_staleness(super().get_queryset(request))

    @admin.display(description=_("stale"))
    def stale(self, run: Any) -> str:
        return marked(bool(run.stale))

    @admin.display(description=_("run"))
    def short(self, run: models.Run) -> str:
        return str(run.pk)[:8]


@admin.register(models.Snapshot, site=site)
class SnapshotAdmin(ScopedAdmin):
    """Its digest and what was left out; the row numbers say who took part and are not shown."""

    fields = ["study", "digest", "change_seen", "taken_at", "left_out"]
    list_display = ["digest", "study", "change_seen", "taken_at"]
    list_select_related = ["study"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = ("participant_ids", "assay_row_ids", "assessment_ids")
        return super().get_queryset(request).defer(*rows)


@admin.register(models.StepResult, site=site)
class StepResultAdmin(ScopedAdmin):
    """What was kept and when it was used last; who was in it is not shown."""

    fields = ["study", "kind", "digest", "made_at", "last_used_at"]
    list_display = ["kind", "digest", "made_at", "last_used_at"]
    list_filter = ["kind"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).defer("payload", "participant_ids")


@admin.register(models.RunPart, site=site)
class RunPartAdmin(ScopedAdmin):
    """What workers share of the runs that compute now, and how often it was tried."""

    fields = ["run", "ordinal", "attempts", "lease_until", "failure"]
    list_display = ["run", "ordinal", "attempts", "lease_until", "failure"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).defer("inputs", "output")


class ResultAdmin(ScopedAdmin):
    """Results pass the disclosure rules on the run's page; here is only that they exist."""

    list_filter = ["name"]
    list_select_related = ["run__plan"]

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(access.reach(request.user, "unreleased_result"))

    has_module_permission = has_view_permission

    @admin.display(description=_("page"))
    def page(self, result: Any) -> str:
        return format_html(
            '<a href="{}">{}</a>', reverse("run", args=[result.run_id]), gettext("open the page")
        )


@admin.register(models.RunTable, site=site)
class RunTableAdmin(ResultAdmin):
    fields = ["run", "name", "n_rows"]
    list_display = ["run", "name", "n_rows", "page"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).defer("parquet")


@admin.register(models.RunDocument, site=site)
class RunDocumentAdmin(ResultAdmin):
    fields = ["run", "name", "data"]
    list_display = ["run", "name", "page"]


@admin.register(models.Verdict, site=site)
class VerdictAdmin(ResultAdmin):
    list_display = ["claim", "stratum", "verdict", "figures", "run", "page"]
    list_filter = ["verdict", "stratum", "claim"]
    search_fields = ["claim__code", "claim__marker"]
    list_select_related = ["claim", "run__plan"]

    @admin.display(description=_("estimate (95 % interval)"), ordering="estimate")
    def figures(self, verdict: models.Verdict) -> str:
        if verdict.estimate is None:
            return "–"
        if verdict.ci_low is None or verdict.ci_high is None:
            return signed(verdict.estimate)
        interval = span(signed(verdict.ci_low), signed(verdict.ci_high))
        return f"{signed(verdict.estimate)} ({interval})"
