"""The page of one consent: what is recorded, what was, and its correction."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _

from cohorts import access
from cohorts.forms.consent import ConsentCorrectionForm
from cohorts.models import Consent, User
from cohorts.requests import user_of, zone_of
from cohorts.services import consent_corrections
from cohorts.views.base import carried_out


@login_required
def record(request: HttpRequest, consent_id: int) -> HttpResponse:
    """Shown to who reads consents; corrected by who records them."""
    user = user_of(request)
    seen = Consent.objects.visible_to(user).select_related("participant__site", "form")
    consent = get_object_or_404(seen, pk=consent_id)
    person = consent.participant
    may_correct = access.may(user, "consent", "U", person.site_id)
    if request.method == "POST" and not may_correct:
        raise PermissionDenied
    sent = request.POST if request.method == "POST" else None
    form = ConsentCorrectionForm(sent, consent=consent)
    is_sent = request.method == "POST" and form.is_valid()
    if is_sent and carried_out(request, form, lambda: _corrected(consent, user, form)):
        return redirect("consent-record", consent.pk)
    context = {
        "consent": consent,
        "person": person,
        "site": person.site,
        "zone": zone_of(person.site),
        "form": form if may_correct and not person.merged_into_id else None,
        "past": consent_corrections.past_of(consent),
    }
    status = 422 if form.errors else 200
    return render(request, "cohorts/consent_record.html", context, status=status)


def _corrected(consent: Consent, user: User, form: ConsentCorrectionForm) -> str:
    done = consent_corrections.correct(
        consent.pk,
        form.changes,
        reason=form.cleaned_data["reason"],
        by=user,
        version=form.cleaned_data["version"],
    )
    return _("The consent is corrected: this is version %(version)s.") % {"version": done.version}
