"""Pages of a site's participants: found by code, shown with what was before, corrected."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import urlencode
from django.utils.translation import gettext, gettext_noop
from django.utils.translation import gettext as _

from cohorts import access, clock
from cohorts.consent_state import GAPS, in_gap, words_for
from cohorts.errors import DomainError
from cohorts.forms.enrolment import EnrolmentForm
from cohorts.forms.people import CorrectionForm
from cohorts.models import (
    Assessment,
    Consent,
    Instrument,
    Interview,
    Participant,
    Sample,
    Transfer,
    User,
    Visit,
    Withdrawal,
)
from cohorts.requests import user_of, zone_of
from cohorts.services import enrolling, enrolment, participant_past, visits
from cohorts.services.batches import measured
from cohorts.views.base import PAGE, admitted

GAP_WORDS = {
    "without": gettext_noop("no consent in force"),
    "lacking": gettext_noop("a scope is missing"),
    "withdrawn": gettext_noop("withdrawn from use"),
}


@login_required
def people(request: HttpRequest, code: str) -> HttpResponse:
    """The site's participants; ``?q=`` finds codes that begin so, ``?consent=`` those of a gap."""
    here, user = admitted(request, code, "participant", "R")
    asked = request.GET.get("q", "").strip()
    found = Participant.objects.visible_to(user).filter(site=here, code__istartswith=asked)
    gap = request.GET.get("consent", "")
    if gap in GAPS and access.may(user, "consent", "R", here.pk):
        found = in_gap(found, gap, here, clock.today())
    group = request.GET.get("group", "")
    if group in here.study.groups:
        found = found.filter(group=group)
    page = Paginator(found.order_by("code"), PAGE).get_page(request.GET.get("page"))
    coming = Transfer.objects.visible_to(user).open().filter(to_site=here)
    coming = coming.select_related("participant__site", "asked_by")
    may_read_consent = access.may(user, "consent", "R", here.pk)
    _with_consent_and_tubes(page.object_list, user, reads_consent=may_read_consent)
    kept = {"q": asked, "group": group, "consent": gap}
    context = {
        "site": here,
        "page": page,
        "asked": asked,
        "group": group,
        "groups": sorted(here.study.groups),
        "gap": gap if gap in GAPS else "",
        "gaps": [(name, gettext(GAP_WORDS[name])) for name in GAPS],
        "keep": urlencode({name: value for name, value in kept.items() if value}),
        "may_read_consent": may_read_consent,
        "coming": coming,
        "may_record_consent": access.may(user, "consent", "C", here.pk),
        "may_enrol": access.may(user, "participant", "C", here.pk),
    }
    return render(request, "cohorts/people.html", context)


def _with_consent_and_tubes(shown: Iterable[Any], user: User, *, reads_consent: bool) -> None:
    """Beside each listed person what a list of people is opened for."""
    people = list(shown)
    words = words_for(people, clock.today()) if reads_consent else {}
    tubes = Sample.objects.visible_to(user).filter(participant__in=people).order_by()
    counted = dict(tubes.values_list("participant").annotate(Count("pk")))
    for person in people:
        person.consent_word = words.get(person.pk, "")
        person.n_tubes = counted.get(person.pk, 0)


@login_required
def enrol(request: HttpRequest, code: str) -> HttpResponse:
    """Enrol one person, with the consent that was signed."""
    here, user = admitted(request, code, "participant", "C")
    form = EnrolmentForm(request.POST or None, site=here)
    if request.method == "POST" and form.is_valid():
        try:
            done = enrolling.enrol_one(here.pk, form.cells, form.signed, by=user)
        except enrolling.RefusedEnrolment as refused:
            form.take_faults(refused)
        except DomainError as error:
            form.add_error(None, error.message)
        else:
            messages.success(request, _("%(code)s is enrolled.") % {"code": done.code})
            return redirect("person", done.pk)
    last = here.ethics_expires_on
    context = {"site": here, "form": form, "ended": last and last < clock.today_at(here)}
    return render(request, "cohorts/enrol.html", context, status=422 if form.errors else 200)


def person_of(request: HttpRequest, participant_id: int) -> Participant:
    """The participant, or the same 404 for nobody and for somebody of another site."""
    found: Participant = get_object_or_404(
        Participant.objects.visible_to(request.user).select_related("site__study"),
        pk=participant_id,
    )
    return found


@login_required
def person(request: HttpRequest, participant_id: int) -> HttpResponse:
    """What is recorded of one participant, and what was."""
    one, user = person_of(request, participant_id), user_of(request)
    standing = Withdrawal.objects.filter(participant=one).effective(clock.today())
    stopped = standing.stopping_new_data().exists()
    offers = Transfer.objects.visible_to(user).open().filter(participant=one)
    leaving = offers.select_related("to_site").first()
    context = {
        "person": one,
        "site": one.site,
        "zone": zone_of(one.site),
        "consents": Consent.objects.visible_to(user).filter(participant=one).select_related("form"),
        "withdrawals": Withdrawal.objects.visible_to(user)
        .filter(participant=one)
        .select_related("recorded_by"),
        "visits": Visit.objects.visible_to(user).filter(participant=one),
        "assessments": Assessment.objects.visible_to(user)
        .filter(participant=one)
        .select_related("instrument"),
        "planned": visits.planned_of(one),
        "interviews": Interview.objects.visible_to(user).filter(participant=one),
        "past": participant_past.past_of(one),
        "may_move": access.may(user, "transfer", "C", one.site_id) and not stopped and not leaving,
        "leaving": leaving,
        "may_call_off": access.may(user, "transfer", "U", one.site_id),
        "stopped": stopped,
        "others": Participant.objects.visible_to(user)
        .filter(person=one.person, person__isnull=False)
        .exclude(pk=one.pk)
        .select_related("site"),
        "may_correct": access.may(user, "participant", "U", one.site_id),
        "may_link": access.may(user, "same_person", "C", one.site_id) and not one.merged_into_id,
        "may_withdraw": access.may(user, "withdrawal", "C", one.site_id),
        "tubes": Sample.objects.visible_to(user)
        .filter(participant=one)
        .select_related("destruction")
        .order_by("code")[:50],
        "may_type_in": access.may(user, "assessment", "C", one.site_id)
        and not one.merged_into_id
        and not one.left_on
        and not stopped,
        "scales": Instrument.objects.filter(n_items__isnull=False),
        "may_record_consent": access.may(user, "consent", "C", one.site_id),
        "may_correct_consent": access.may(user, "consent", "U", one.site_id),
        "may_read_values": access.may(user, "row_values", "R", one.site_id),
        "values": [each for each in measured.of_person(one, user=user) if each.bounds],
    }
    return render(request, "cohorts/person.html", context)


@login_required
def correct(request: HttpRequest, participant_id: int) -> HttpResponse:
    """Correct a participant, with the reason."""
    one, user = person_of(request, participant_id), user_of(request)
    if not access.may(user, "participant", "U", one.site_id):
        raise PermissionDenied
    form = CorrectionForm(request.POST or None, person=one)
    if request.method == "POST" and form.is_valid():
        try:
            done = enrolment.correct(
                one.pk,
                form.changes,
                reason=form.cleaned_data["reason"],
                by=user,
                version=form.cleaned_data["version"],
            )
        except DomainError as error:
            form.add_error(None, error.message)
        else:
            messages.success(
                request,
                _("%(done)s is corrected: this is version %(version)s.")
                % {"done": done.code, "version": done.version},
            )
            return redirect("person", done.pk)
    context = {"person": one, "site": one.site, "form": form}
    return render(request, "cohorts/correct.html", context, status=422 if form.errors else 200)
