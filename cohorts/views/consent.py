"""Pages on which a coordinator records what a participant agreed to, or took back."""

from __future__ import annotations

from collections.abc import Callable

from django import forms
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from cohorts import access, clock
from cohorts.forms.consent import ConsentForm, WithdrawalForm
from cohorts.models import Participant, Site, Withdrawal
from cohorts.services import consent as service
from cohorts.services import renewals as renewing
from cohorts.services.erasing import erasure
from cohorts.views.base import PAGE, admitted, carried_out


@login_required
def consent(request: HttpRequest, code: str) -> HttpResponse:
    """Record a signed consent; it replaces what was granted before, and a withdrawal."""
    here, user = admitted(request, code, "consent", "C")
    form = ConsentForm(
        request.POST or None, site=here, initial={"participant": request.GET.get("participant")}
    )

    def record(person: Participant) -> str:
        said = form.cleaned_data
        done = service.record_consent(
            person.pk,
            form=said["form"],
            basis=said["basis"],
            signed_on=said["signed_on"],
            scopes=said["scopes"],
            by=user,
        )
        facts = {"person": person.code, "signed_on": date_format(done.signed_on)}
        stands = service.in_force(person)
        if stands is None:
            return _("Recorded for %(person)s: the consent signed on %(signed_on)s.") % facts
        return _(
            "Recorded for %(person)s: the consent signed on %(signed_on)s. It is older than the "
            "withdrawal of %(effective_on)s (%(level)s), which stands."
        ) % {
            **facts,
            "effective_on": date_format(stands.told_on),
            "level": stands.get_level_display(),
        }

    return _recorded(request, here, form, record) or render(
        request, "cohorts/consent.html", {"site": here, "form": form}, status=_status(form)
    )


@login_required
def withdrawal(request: HttpRequest, code: str) -> HttpResponse:
    """Record what a participant no longer wants; in force at once."""
    here, user = admitted(request, code, "withdrawal", "C")
    form = WithdrawalForm(
        request.POST or None, initial={"participant": request.GET.get("participant")}
    )

    def record(person: Participant) -> str:
        said = form.cleaned_data
        if said["level"] == Withdrawal.Level.ERASE:
            erasure.request(person.pk, by=user, note=said["note"])
            return _(
                "Recorded for %(person)s: erase. Every use stops now; the removal waits "
                "for the approval of a data manager."
            ) % {"person": person.code}
        done = service.withdraw(
            person.pk,
            level=said["level"],
            by=user,
            note=said["note"],
            destroy_samples=said["destroy_samples"],
        )
        return _("Recorded for %(person)s: %(level)s, in force now.") % {
            "person": person.code,
            "level": done.get_level_display(),
        }

    return _recorded(request, here, form, record) or render(
        request, "cohorts/withdrawal.html", {"site": here, "form": form}, status=_status(form)
    )


@login_required
def renewals(request: HttpRequest, code: str) -> HttpResponse:
    """Whom to ask for a new consent."""
    here, user = admitted(request, code, "consent", "R")
    today = clock.today_at(here)
    ending = renewing.ending(user, today, site=here.code)
    page = Paginator(ending, PAGE).get_page(request.GET.get("page"))
    context = {
        "site": here,
        "page": page,
        "rows": [renewing.told(consent, today) for consent in page],
        "may_record_consent": access.may(user, "consent", "C", here.pk),
    }
    return render(request, "cohorts/renewals.html", context)


def _recorded(
    request: HttpRequest, here: Site, form: forms.Form, record: Callable[[Participant], str]
) -> HttpResponse | None:
    """Carry out a valid form for the participant it names; None where it must be shown again."""
    if request.method != "POST" or not form.is_valid():
        return None
    code = form.cleaned_data["participant"].strip()
    person = Participant.objects.visible_to(request.user).filter(site=here, code=code).first()
    if person is None:
        form.add_error("participant", _("This site has no participant with that code: check it."))
        return None
    if carried_out(request, form, lambda: record(person)):
        return redirect("site", here.code)
    return None


def _status(form: forms.Form) -> int:
    return 422 if form.errors else 200
