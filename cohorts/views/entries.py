"""Pages for what is typed in from paper: a questionnaire, its second entry, a visit."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from cohorts import access
from cohorts.errors import DomainError
from cohorts.forms.entries import InterviewForm, ItemsForm, ScaleForm, SettleForm, VisitForm
from cohorts.language.vocabulary import in_words
from cohorts.models import Assessment, Instrument, SecondEntry
from cohorts.requests import user_of
from cohorts.services import entries, visits
from cohorts.views.people import person_of


@login_required
def scale(request: HttpRequest, participant_id: int, instrument_id: int) -> HttpResponse:
    """A questionnaire item by item; progress and score are shown on the way."""
    person, user = person_of(request, participant_id), user_of(request)
    if not access.may(user, "assessment", "C", person.site_id):
        raise PermissionDenied
    instrument = get_object_or_404(
        Instrument.objects.filter(n_items__isnull=False), pk=instrument_id
    )
    form = ScaleForm(request.POST or None, instrument=instrument, person=person)
    progress = None
    if request.method == "POST" and form.is_valid():
        progress = entries.progress_of(instrument, form.items)
        said = form.cleaned_data
        if request.POST.get("step") == "save":
            try:
                entries.record(
                    person.pk,
                    instrument,
                    form.items,
                    on=said["on"],
                    by=user,
                    language=said["language"],
                    visit=said["visit"],
                )
            except DomainError as error:
                form.add_error(None, error.message)
            else:
                messages.success(
                    request, _("%(instrument)s is recorded.") % {"instrument": instrument.code}
                )
                return redirect("person", person.pk)
    context = {"person": person, "site": person.site, "instrument": instrument, "form": form}
    context |= {"title": _(instrument.title), "progress": progress, "first": True}
    return render(request, "cohorts/scale.html", context, status=422 if form.errors else 200)


@login_required
def second_entry(request: HttpRequest, assessment_id: int) -> HttpResponse:
    """The same paper typed in again, without sight of the first entry."""
    found, user = _assessment(request, assessment_id), user_of(request)
    if not any(access.may(user, "assessment", v, found.participant.site_id) for v in "CU"):
        raise PermissionDenied
    form = ItemsForm(request.POST or None, instrument=found.instrument)
    progress = None
    if request.method == "POST" and form.is_valid():
        progress = entries.progress_of(found.instrument, form.items)
        if request.POST.get("step") == "save":
            try:
                entries.enter_again(found.pk, form.items, by=user)
            except DomainError as error:
                form.add_error(None, error.message)
            else:
                return redirect("entry-comparison", found.pk)
    context = {"person": found.participant, "site": found.participant.site, "form": form}
    context |= {"instrument": found.instrument, "progress": progress, "assessment": found}
    context |= {
        "title": _("Second entry of %(instrument)s, %(assessed_on)s")
        % {
            "instrument": found.instrument.code,
            "assessed_on": date_format(found.assessed_on),
        }
    }
    return render(request, "cohorts/scale.html", context, status=422 if form.errors else 200)


@login_required
def comparison(request: HttpRequest, assessment_id: int) -> HttpResponse:
    """Both entries by item, and the form that settles what differs."""
    found, user = _assessment(request, assessment_id), user_of(request)
    differ = entries.differences(found)
    may_settle = access.may(user, "assessment", "U", found.participant.site_id)
    form = SettleForm(request.POST or None, differ=differ) if differ and may_settle else None
    if request.method == "POST":
        if form is None:
            raise PermissionDenied
        if form.is_valid():
            reason = form.cleaned_data["reason"]
            try:
                entries.settle(found.pk, form.answers, reason=reason, by=user)
            except DomainError as error:
                form.add_error(None, error.message)
            else:
                messages.success(request, _("Settled; the question about it is closed."))
                return redirect("entry-comparison", found.pk)
    second = SecondEntry.objects.filter(assessment=found).select_related("entered_by").first()
    apart = {each.item for each in differ}
    context = {
        "assessment": found,
        "person": found.participant,
        "site": found.participant.site,
        "second": second,
        "rows": [
            (number, first, again, number in apart)
            for number, (first, again) in enumerate(
                zip(found.items, second.items, strict=True) if second else (), start=1
            )
        ],
        "form": form,
        "n_apart": len(apart),
        "may_enter": any(
            access.may(user, "assessment", v, found.participant.site_id) for v in "CU"
        ),
    }
    status = 422 if form and form.errors else 200
    return render(request, "cohorts/comparison.html", context, status=status)


@login_required
def visit(request: HttpRequest, participant_id: int) -> HttpResponse:
    """The day of a visit; one outside its window is taken and asked about."""
    person, user = person_of(request, participant_id), user_of(request)
    if not access.may(user, "assessment", "C", person.site_id):
        raise PermissionDenied
    form = VisitForm(request.POST or None, person=person)
    if request.method == "POST" and form.is_valid():
        said = form.cleaned_data
        try:
            visits.record_visit(
                person.pk, label=said["label"], on=said["on"], reason=said["reason"], by=user
            )
        except DomainError as error:
            form.add_error(None, error.message)
        else:
            messages.success(request, _("%(label)s is recorded.") % {"label": said["label"]})
            return redirect("person", person.pk)
    context = {
        "site": person.site,
        "person": person,
        "form": form,
        "title": _("A visit of %(person)s") % {"person": person.code},
    }
    context |= {
        "words": _("One outside its window is taken, and asked about."),
        "button": _("Record it"),
    }
    return render(request, "cohorts/ask.html", context, status=422 if form.errors else 200)


@login_required
def interview(request: HttpRequest, participant_id: int) -> HttpResponse:
    """What an interview found of a person's withdrawal; the grade is computed."""
    person, user = person_of(request, participant_id), user_of(request)
    if not access.may(user, "assessment", "C", person.site_id):
        raise PermissionDenied
    form = InterviewForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        facts = dict(form.cleaned_data)
        day, reason = facts.pop("on"), facts.pop("reason")
        try:
            made = visits.record_interview(person.pk, facts, on=day, reason=reason, by=user)
        except DomainError as error:
            form.add_error(None, error.message)
        else:
            present = made.grades[0]
            messages.success(
                request,
                _("Recorded; by %(criteria)s: %(grade)s.")
                % {"criteria": present.criteria, "grade": in_words(present.state)},
            )
            return redirect("person", person.pk)
    context = {
        "site": person.site,
        "person": person,
        "form": form,
        "title": _("An interview with %(person)s") % {"person": person.code},
        "words": _(
            "Answer what was asked and leave the rest. The grade is computed by each set of "
            "criteria, and never typed in."
        ),
        "button": _("Record it"),
    }
    return render(request, "cohorts/ask.html", context, status=422 if form.errors else 200)


def _assessment(request: HttpRequest, assessment_id: int) -> Assessment:
    """The assessment, or the same 404 for none and for one of another site."""
    rows = Assessment.objects.visible_to(user_of(request))
    found: Assessment = get_object_or_404(
        rows.select_related("participant__site__study", "instrument"), pk=assessment_id
    )
    return found
