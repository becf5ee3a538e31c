"""Pages on which a person's records are merged, or moved to another site and taken over there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from cohorts import access
from cohorts.errors import DomainError, UnusableRequest
from cohorts.forms.people import MergeForm, MoveForm, OtherPersonForm, SamePersonForm, TakeOverForm
from cohorts.language.sentences import say
from cohorts.models import Participant, Site, Transfer
from cohorts.requests import user_of
from cohorts.services import identity, transfers
from cohorts.views.people import person_of


@dataclass(frozen=True)
class Asked:
    """What a page asks, in words."""

    title: str
    words: str
    button: str
    done: str


def _page(
    request: HttpRequest, site: Site, asked: Asked, form: forms.Form, act: Callable[[], Participant]
) -> HttpResponse:
    """Show a form, or do what it asks and show the participant; a refusal is shown in the form."""
    if request.method == "POST" and form.is_valid():
        try:
            person = act()
        except DomainError as error:
            form.add_error(None, error.message)
        else:
            messages.success(request, asked.done)
            return redirect("person", person.pk)
    context = {"site": site, "form": form, **asdict(asked)}
    return render(request, "cohorts/ask.html", context, status=422 if form.errors else 200)


@login_required
def merge(request: HttpRequest, participant_id: int) -> HttpResponse:
    """Keep a second record of the same person under this one."""
    kept, user = person_of(request, participant_id), user_of(request)
    if not access.may(user, "participant", "U", kept.site_id):
        raise PermissionDenied
    form = MergeForm(request.POST or None)

    def act() -> Participant:
        said = form.cleaned_data
        known = Participant.objects.visible_to(user).filter(site=kept.site, code=said["other"])
        other = known.first()
        if other is None:
            raise UnusableRequest(say("This site has no participant with that code: check it."))
        return identity.merge(kept.pk, other.pk, reason=said["reason"], by=user)

    words = _(
        "Visits, samples, questionnaires, consents and withdrawals of the second "
        "record move to this one. The strictest wish holds."
    )
    asked = Asked(
        _("Merge a second record into %(kept)s") % {"kept": kept.code},
        words,
        _("Merge them"),
        _("Merged: %(kept)s holds what both records held.") % {"kept": kept.code},
    )
    return _page(request, kept.site, asked, form, act)


@login_required
def same(request: HttpRequest, participant_id: int) -> HttpResponse:
    """Declare that a record at another site is of this person."""
    one, user = person_of(request, participant_id), user_of(request)
    if not access.may(user, "same_person", "C", one.site_id):
        raise PermissionDenied
    form = SamePersonForm(request.POST or None, here=one.site)

    def act() -> Participant:
        said = form.cleaned_data
        known = Participant.objects.visible_to(user).filter(site__study=one.site.study_id)
        other = known.filter(site__code=said["site"], code=said["code"].strip()).first()
        if other is None:
            raise UnusableRequest(say("That site has no participant with that code: check it."))
        identity.declare_same(one.pk, other.pk, reason=said["reason"], by=user)
        return one

    words = _("Each record stays with its site; analyses count the person once.")
    asked = Asked(
        _("A record of %(person)s at another site") % {"person": one.code},
        words,
        _("They are one person"),
        _("Linked: %(person)s counts once.") % {"person": one.code},
    )
    return _page(request, one.site, asked, form, act)


@login_required
def different(request: HttpRequest, participant_id: int) -> HttpResponse:
    """Take back that a record is of the same person as others."""
    one, user = person_of(request, participant_id), user_of(request)
    if not access.may(user, "same_person", "W", one.site_id):
        raise PermissionDenied
    form = OtherPersonForm(request.POST or None)

    def act() -> Participant:
        return identity.declare_different(one.pk, reason=form.cleaned_data["reason"], by=user)

    asked = Asked(
        _("%(person)s is somebody else") % {"person": one.code},
        _("The link with records at other sites is taken back; each counts by itself."),
        _("Take the link back"),
        _("The link of %(person)s is taken back.") % {"person": one.code},
    )
    return _page(request, one.site, asked, form, act)


@login_required
def offer(request: HttpRequest, participant_id: int) -> HttpResponse:
    """Offer a participant to another site."""
    person, user = person_of(request, participant_id), user_of(request)
    if not access.may(user, "transfer", "C", person.site_id):
        raise PermissionDenied
    form = MoveForm(request.POST or None, site=person.site)

    def act() -> Participant:
        transfers.offer(person.pk, **form.cleaned_data, by=user)
        return person

    words = _(
        "The other site takes the person over under a code of its own, and asks "
        "for a consent of its own. What was collected here stays here, with its "
        "consent."
    )
    asked = Asked(
        _("Move %(person)s to another site") % {"person": person.code},
        words,
        _("Offer"),
        _("Offered; the other site's coordinator takes %(person)s over.") % {"person": person.code},
    )
    return _page(request, person.site, asked, form, act)


@login_required
@require_POST
def call_off(request: HttpRequest, transfer_id: int) -> HttpResponse:
    """Take an offer back, or decline it; the participant stays where they are."""
    user = user_of(request)
    seen = Transfer.objects.visible_to(user).select_related("participant", "to_site")
    transfer = get_object_or_404(seen, pk=transfer_id)
    ends = (transfer.participant.site_id, transfer.to_site_id)
    if not any(access.may(user, "transfer", "U", end) for end in ends):
        raise PermissionDenied
    try:
        transfers.call_off(transfer.pk, by=user)
    except DomainError as error:
        messages.error(request, error.message)
    else:
        messages.success(request, _("The move is called off."))
    if access.may(user, "participant", "R", transfer.participant.site_id):
        return redirect("person", transfer.participant_id)
    return redirect("people", transfer.to_site.code)


@login_required
def take_over(request: HttpRequest, transfer_id: int) -> HttpResponse:
    """Take over a participant who comes from another site."""
    user = user_of(request)
    seen = Transfer.objects.visible_to(user).select_related("participant__site", "to_site")
    transfer = get_object_or_404(seen, pk=transfer_id)
    if not access.may(user, "transfer", "U", transfer.to_site_id):
        raise PermissionDenied
    form = TakeOverForm(request.POST or None)

    def act() -> Participant:
        return transfers.accept(transfer.pk, **form.cleaned_data, by=user)

    coming = f"{transfer.participant.site.code} {transfer.participant.code}"
    words = _(
        "Offered by %(who)s: %(reason)s Enrolled here under your code; record a consent on your "
        "own form before samples come."
    ) % {"who": transfer.asked_by, "reason": f"{transfer.reason.rstrip('.')}."}
    asked = Asked(
        _("Take over %(coming)s") % {"coming": coming},
        words,
        _("Take over"),
        _("%(coming)s is taken over. Next: the consent on your own form.") % {"coming": coming},
    )
    return _page(request, transfer.to_site, asked, form, act)
