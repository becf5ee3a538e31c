"""Pages of a site's consent forms: its versions, a new one, and one that is put right."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _

from cohorts import access, clock
from cohorts.forms.consent_forms import VersionCorrectionForm, VersionForm
from cohorts.models import ConsentForm
from cohorts.requests import user_of, zone_of
from cohorts.services import consent_forms
from cohorts.services.audit import history
from cohorts.views.base import admitted, carried_out


@login_required
def versions(request: HttpRequest, code: str) -> HttpResponse:
    """The versions of the site's form; registering one."""
    here, user = admitted(request, code, "consent", "R")
    may_add = access.may(user, "consent", "C", here.pk)
    form = VersionForm(request.POST or None, request.FILES or None)

    def act() -> str:
        made = consent_forms.register(here, form.said, by=user)
        return _("Registered: version %(version)s.") % {"version": made.version}

    if request.method == "POST":
        if not may_add:
            raise PermissionDenied
        if form.is_valid() and carried_out(request, form, act):
            return redirect("consent-forms", here.code)
    rows = ConsentForm.objects.visible_to(user).filter(site=here)
    context = {
        "site": here,
        "rows": rows.annotate(n_signed=Count("consent")).order_by("-valid_from", "-pk"),
        "today": clock.today_at(here),
        "form": form if may_add else None,
    }
    return render(request, "cohorts/consent_forms.html", context, status=_status(form))


@login_required
def version(request: HttpRequest, form_id: int) -> HttpResponse:
    """One version, what it was before, and the form that puts it right."""
    user = user_of(request)
    rows = ConsentForm.objects.visible_to(user).select_related("site__study")
    known = get_object_or_404(rows, pk=form_id)
    may_correct = access.may(user, "consent", "U", known.site_id)
    form = VersionCorrectionForm(request.POST or None, request.FILES or None, known=known)

    def act() -> str:
        reason = form.cleaned_data["reason"]
        consent_forms.correct(known.pk, form.said, reason=reason, by=user)
        return _("Version %(version)s is corrected.") % {"version": known.version}

    if request.method == "POST":
        if not may_correct:
            raise PermissionDenied
        if form.is_valid() and carried_out(request, form, act):
            return redirect("consent-form", known.pk)
    context = {
        "known": known,
        "site": known.site,
        "zone": zone_of(known.site),
        "past": history.past_of(known),
        "form": form if may_correct else None,
    }
    return render(request, "cohorts/consent_form.html", context, status=_status(form))


def _status(form: VersionForm) -> int:
    return 422 if form.errors else 200
