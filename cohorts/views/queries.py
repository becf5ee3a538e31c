"""Pages of data queries: a site's list, one query with what was said, and what can be said next."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from cohorts import access, query_subjects
from cohorts.errors import DomainError
from cohorts.forms.queries import NewQueryForm, QueryTextForm
from cohorts.models import Query, Site, User
from cohorts.models.query import SUBJECTS
from cohorts.requests import user_of, zone_of
from cohorts.services import queries as service
from cohorts.views.base import PAGE, admitted

# The page of the record that a query is about, where everybody who reads the query reads it.
PAGES = {
    "participant": "person",
    "sample": "sample",
    "shipment": "shipment",
    "upload": "upload-report",
    "assessment": "entry-comparison",
}
VERBS = {"answer": service.answer, "ask_again": service.ask_again, "close": service.close}
STATES = {"": _("To do"), "open": _("Open"), "answered": _("Answered"), "closed": _("Closed")}


@login_required
def queries(request: HttpRequest, code: str) -> HttpResponse:
    """The site's queries, newest first; asking one."""
    here, user = admitted(request, code, "query", "R")
    may_ask = access.may(user, "query", "C", here.pk)
    chosen = request.POST.get("about_kind", request.GET.get("about", ""))
    offered = query_subjects.choices(user, here, chosen) if may_ask else []
    form = NewQueryForm(offered, request.POST or None)
    if request.method == "POST":
        if not may_ask:
            raise PermissionDenied
        if form.is_valid() and _asked(request, here, user, form):
            return redirect("queries", here.code)
    state = request.GET.get("state", "")
    rows = Query.objects.visible_to(user).filter(site=here).select_related(*SUBJECTS, "raised_by")
    rows = rows.filter(state=state) if state in Query.State.values else rows.unsettled()
    context = {
        "site": here,
        "zone": zone_of(here),
        "page": Paginator(rows, PAGE).get_page(request.GET.get("page")),
        "states": STATES,
        "state": state if state in STATES else "",
        "form": form if may_ask else None,
    }
    return render(request, "cohorts/queries.html", context, status=422 if form.errors else 200)


def _asked(request: HttpRequest, here: Site, user: User, form: NewQueryForm) -> bool:
    said = form.cleaned_data
    about = query_subjects.named(user, here, said["subject"])
    if about is None:
        form.add_error("about", _("There is no such record at this site: check the code."))
        return False
    try:
        service.ask(about, text=said["text"], by=user)
    except DomainError as error:
        form.add_error(None, error.message)
        return False
    messages.success(request, _("Asked; the answer appears with the query."))
    return True


def _address(found: Query) -> str:
    page = PAGES.get(found.subject_kind)
    return reverse(page, args=[found.subject.pk]) if page else ""


@login_required
def query(request: HttpRequest, query_id: int) -> HttpResponse:
    """One query, what was said about it, and a form for what comes next."""
    user = user_of(request)
    rows = Query.objects.visible_to(user).select_related("site", *SUBJECTS, "raised_by")
    found = get_object_or_404(rows, pk=query_id)
    may_speak = access.may(user, "query", "C", found.site_id) and found.state != Query.State.CLOSED
    form = QueryTextForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        verb = VERBS.get(request.POST.get("verb", ""), service.answer)
        try:
            verb(found.pk, text=form.cleaned_data["text"], by=user)
        except DomainError as error:
            form.add_error(None, error.message)
        except ValidationError as error:
            form.add_error(None, error.messages)
        else:
            return redirect("query", found.pk)
    context = {
        "query": found,
        "address": _address(found),
        "site": found.site,
        "zone": zone_of(found.site),
        "events": found.events.select_related("by"),
        "form": form if may_speak else None,
    }
    return render(request, "cohorts/query.html", context, status=422 if form.errors else 200)
