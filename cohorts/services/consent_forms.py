"""The versions of a site's consent form: registered with their document, put right with reason."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

from django.db.models import Q

from cohorts import access, history
from cohorts.errors import NotAllowed, UnusableRequest
from cohorts.language.sentences import say
from cohorts.models import Change, Consent, ConsentForm, Site, User
from cohorts.retrying import transacted
from cohorts.services.rules import hold_to_its_rules


@dataclass(frozen=True)
class Version:
    """One version as its paper says; ``document_sha256`` tells which document that was."""

    version: str
    language: str
    valid_from: date | None
    valid_until: date | None
    offered_scopes: Collection[str]
    document_sha256: str = ""


@transacted
def register(site: Site, said: Version, *, by: User) -> ConsentForm:
    """A new version; one that a table has named before its document was there is filled in."""
    _refuse_stranger(site, "C", by)
    Site.objects.select_for_update(no_key=True).get(pk=site.pk)
    known = ConsentForm.objects.filter(site=site, version=said.version, language=said.language)
    form = known.first() or ConsentForm(site=site, version=said.version, language=said.language)
    if form.pk and form.document_sha256:
        raise UnusableRequest(
            say(
                "%(site)s has version %(version)s in that language already: correct that one.",
                site=site.code,
                version=said.version,
            )
        )
    if not said.document_sha256:
        raise UnusableRequest(say("Choose the document that people sign."))
    return _kept(form, said, reason=say("document registered"), by=by)


@transacted
def correct(form_id: int, said: Version, *, reason: str, by: User) -> ConsentForm:
    """Make a version say what its paper says, or end it; with the reason."""
    form: ConsentForm = (
        ConsentForm.objects.select_for_update(of=("self",)).select_related("site").get(pk=form_id)
    )
    _refuse_stranger(form.site, "U", by)
    if not reason.strip():
        raise UnusableRequest(say("Say why the record is corrected."))
    return _kept(form, said, reason=reason.strip(), by=by)


def _kept(form: ConsentForm, said: Version, *, reason: str, by: User) -> ConsentForm:
    form.valid_from, form.valid_until = said.valid_from, said.valid_until
    form.offered_scopes = sorted(said.offered_scopes)
    form.document_sha256 = said.document_sha256 or form.document_sha256
    if not form.offered_scopes:
        raise UnusableRequest(say("A form offers at least one scope: tick what it asks for."))
    hold_to_its_rules(form)
    _refuse_what_was_signed_otherwise(form)
    with history.because(reason, user=by.pk):
        form.save()
    Change.objects.record(
        study=form.site.study, site=form.site, kind="consent", counts={"forms": 1},
        cause=say("a version of the consent form was registered or corrected"),
    )  # fmt: skip
    return form


def _refuse_what_was_signed_otherwise(form: ConsentForm) -> None:
    """The window and the scopes hold what people have signed on this version already."""
    if form.pk is None:
        return
    signed = Consent.objects.filter(form=form)
    outside = Q()
    if form.valid_from:
        outside |= Q(signed_on__lt=form.valid_from)
    if form.valid_until:
        outside |= Q(signed_on__gt=form.valid_until)
    if outside and (n := signed.filter(outside).count()):
        raise UnusableRequest(
            say("Outside of these days %(n)s were signed on this form: check these consents.", n=n)
        )
    beyond = signed.exclude(scopes__contained_by=form.offered_scopes).count()
    if beyond:
        raise UnusableRequest(
            say(
                "A scope that is not ticked is granted on this form, by %(n)s: check both.",
                n=beyond,
            )
        )


def _refuse_stranger(site: Site, verb: str, by: User) -> None:
    if not access.may(by, "consent", verb, site.pk):
        raise NotAllowed(
            say("Your role at %(site)s does not register consent forms.", site=site.code)
        )
