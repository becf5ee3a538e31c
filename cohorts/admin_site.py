"""The admin behind the permission table: who enters, what they see, what they may change."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from django.contrib.admin import AdminSite, ModelAdmin, StackedInline, TabularInline
from django.contrib.admin.utils import unquote
from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db.models import ForeignKey, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from cohorts import access
from cohorts.admin_acts import acts_on, asks_on
from cohorts.admin_filters import NewestValues, has_any_words
from cohorts.admin_subjects import by_subject
from cohorts.admin_values import is_shown_otherwise, readable, shown_in_words
from cohorts.language.sentences import Sentence
from cohorts.models import EVENTS, RecordReading, Site, User
from cohorts.pages import CountedSoFar
from cohorts.services.audit.history import Past, past_of

STAFF = frozenset({"CD", "AD"})
# What a sensitive record's reader looked at.
OPENED = gettext_noop("%(kind_of_record)s %(number)s in the admin")
HISTORY_OPENED = gettext_noop("%(kind_of_record)s %(number)s and its history in the admin")
HAPPENED = {"insert": _("first written"), "update": _("changed"), "delete": _("deleted")}

if TYPE_CHECKING:
    PlainAdmin = ModelAdmin[Any]
    PlainInline = TabularInline[Any, Any]
    PlainStack = StackedInline[Any, Any]
else:  # Django's own classes take no parameter
    PlainAdmin = ModelAdmin
    PlainInline = TabularInline
    PlainStack = StackedInline


def may_enter(user: User | AnonymousUser) -> bool:
    """The data manager and the administrator of the consortium."""
    return bool(access.roles_of(user) & STAFF)


def roles_in(request: HttpRequest) -> frozenset[str]:
    """The consortium roles of who asks; read once a request, since a page asks a hundred times."""
    held: frozenset[str] | None = getattr(request, "consortium_roles", None)
    if held is None:
        held = access.roles_of(request.user) & access.CONSORTIUM_ROLES
        request.consortium_roles = held  # type: ignore[attr-defined]  # kept for this request
    return held


def what_happened(label: str) -> str:
    """The triggers' word for an event, as people say it."""
    return str(HAPPENED.get(label, label))


@dataclass(frozen=True)
class Panel:
    """A part of the first page: a template and what it tells."""

    template: str
    told: dict[str, Any]


class HikiAdminSite(AdminSite):
    site_header = _("hikiproject administration")
    site_title = "hikiproject"
    index_title = _("Records and reference data")
    enable_nav_sidebar = True
    index_template = "admin/first_page.html"

    def __init__(self, name: str) -> None:
        super().__init__(name)
        # Each gives a panel to those who may read it, None to the others.
        self.panels: list[Callable[[HttpRequest], Panel | None]] = []

    def index(self, request: HttpRequest, extra_context: Any = None) -> TemplateResponse:
        found = [panel(request) for panel in self.panels]
        shown = {"panels": [panel for panel in found if panel is not None]}
        answer: TemplateResponse = super().index(request, shown | (extra_context or {}))
        return answer

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """By subject on the first page and beside every list; by application on its own page."""
        found = super().get_app_list(request, app_label)
        if app_label:
            return found
        listed = [entry for app in found for entry in app["models"]]
        shown = [cast("ScopedAdmin", self._registry[entry["model"]]) for entry in listed]
        resources = [each.subject_resource() for each in shown]
        return by_subject(list(zip(resources, listed, strict=True)))

    def has_permission(self, request: HttpRequest) -> bool:
        """By role and not by a flag on the account: a role ends at the next request."""
        return bool(roles_in(request) & STAFF)

    def login(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """The portal's own login page is the only one."""
        if request.user.is_authenticated:
            raise PermissionDenied
        return redirect_to_login(request.GET.get("next", request.get_full_path()))


site = HikiAdminSite(name="admin")


class ReadOnlyInline(PlainInline):
    """Rows that belong to a record and are only read, by whoever may read the record.

    ``resource`` names the row of the permission table, where it is not the record's own.
    """

    template = "admin/records_inline.html"
    extra = 0
    can_delete = False
    resource = ""

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return not self.resource or access.may(request.user, self.resource, "R")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ScopedAdmin(PlainAdmin):
    """Rows that `visible_to` shows; verbs of the permission table; nothing is ever deleted.

    Records are corrected by sending a table, never here: ``editable`` opens a model whose rows no
    service guards.
    """

    editable = False
    # Who opens a record of somebody is written down.
    sensitive = False
    resource = ""
    # The actions that ask for more than the rows they are for, in the fields of action_form.
    asking_actions: frozenset[str] = frozenset()
    list_per_page = 50
    show_full_result_count = False
    paginator = CountedSoFar
    object_history_template = "admin/record_history.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        found: QuerySet[Any] = self.model._default_manager.visible_to(request.user)
        return found.order_by(*self.get_ordering(request)) if self.get_ordering(request) else found

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        chosen = super().get_list_filter(request)
        return [
            (each, NewestValues)
            if isinstance(each, str)
            and "__" not in each
            and has_any_words(self.model._meta.get_field(each))
            else each
            for each in chosen
        ]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Where nothing is edited: JSON as tables, sentences and unopened records as words."""
        names = super().get_fields(request, obj)
        if self.has_change_permission(request, obj):
            return names
        return [self._as_read(request, name) if isinstance(name, str) else name for name in names]

    def _as_read(self, request: HttpRequest, name: str) -> Any:
        kept = {field.name: field for field in self.opts.concrete_fields}.get(name)
        closed = isinstance(kept, ForeignKey) and self._is_closed(request, kept.related_model)
        return shown_in_words(kept) if kept and (closed or is_shown_otherwise(kept)) else name

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        kept = {each.name: each for each in self.opts.concrete_fields if is_shown_otherwise(each)}
        return [
            shown_in_words(kept[name]) if name in kept else name
            for name in super().get_list_display(request)
        ]

    def _is_closed(self, request: HttpRequest, model: Any) -> bool:
        """Whether a link to a record of that model would be answered with 403."""
        theirs = self.admin_site._registry.get(model)
        return theirs is not None and not theirs.has_view_permission(request)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        acts = acts_on(self, request, self.get_object(request, unquote(object_id)))
        told = {
            "has_history": self._is_followed() or self.editable,
            "acts": acts,
            "asked": asks_on(self, acts),
        } | (extra_context or {})
        answer: HttpResponse = super().change_view(request, object_id, form_url, told)
        if request.method == "GET" and answer.status_code == 200:
            self._write_down(request, object_id, OPENED)
        return answer

    def acts_fit(self, row: Any) -> Iterable[Any]:
        """The actions that mean something for a row as it stands; all, unless a model says."""
        return self.actions or ()

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """What the triggers kept of the row, with reasons; else what was done in the admin."""
        row = self.get_object(request, unquote(object_id)) if self._is_followed() else None
        told = {} if row is None else {"past": [self._in_words(each) for each in past_of(row)]}
        answer = super().history_view(request, object_id, told | (extra_context or {}))
        if row is not None:
            self._write_down(request, object_id, HISTORY_OPENED)
        return answer

    def _is_followed(self) -> bool:
        return self.model in EVENTS

    def _in_words(self, event: Past) -> tuple[Past, str, list[tuple[str, Any, Any]]]:
        """An event, what happened, and each changed field by the name that its form shows."""
        names = {field.attname: field.verbose_name for field in self.opts.concrete_fields}
        changed = [
            (str(names.get(name, name)), readable(was), readable(now))
            for name, was, now in event.changed
        ]
        return event, what_happened(event.what), changed

    def _write_down(self, request: HttpRequest, object_id: str, how: str) -> None:
        """Who opened the record of somebody, where that is sensitive."""
        row = self.get_object(request, unquote(object_id)) if self.sensitive else None
        if row is None:
            return
        RecordReading.objects.create(
            read_by=request.user,  # type: ignore[misc]  # whoever has entered is logged in
            site=self._site_of(row),
            what=Sentence(how, {"kind_of_record": self.opts.verbose_name_raw, "number": object_id}),
            n_rows=1,
        )

    def _site_of(self, row: Any) -> Site | None:
        found = row
        for name in self.model._default_manager.all().site_path.split("__"):
            found = getattr(found, name, None)
        return found if isinstance(found, Site) else None

    def subject_resource(self) -> str:
        return self.resource or self.model._default_manager.all().resource

    def _may(self, request: HttpRequest, verb: str) -> bool:
        # Whoever enters holds a consortium role, and these hold at every site.
        return bool(roles_in(request) & access.roles_with(self.subject_resource(), verb))

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self._may(request, "R")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request, "R")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.editable and self._may(request, "C")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.editable and self._may(request, "U")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class FoundByCode(ScopedAdmin):
    """``search_fields`` are codes, which an index finds by their beginning among a million."""

    search_help_text = _("A code, or how it begins.")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        begun = search_term.strip()
        if not begun:
            return queryset, False
        # Each by itself: an index of one table does not find what stands in either of two.
        all_rows = self.model._default_manager.order_by()
        first, *others = (
            all_rows.filter(**{f"{path}__startswith": begun}).values("pk")[: CountedSoFar.MOST]
            for path in self.search_fields
        )
        return queryset.filter(pk__in=first.union(*others) if others else first), False
