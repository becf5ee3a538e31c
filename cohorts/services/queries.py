"""Asking, answering and closing data queries; rules ask once a cause and close what is gone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db import models
from django.utils import timezone

from cohorts import access
from cohorts.errors import NotAllowed, RefusedQuery, UnusableRequest
from cohorts.language.sentences import say, stored
from cohorts.models import (
    AssayBatch,
    Assessment,
    Participant,
    Query,
    QueryEvent,
    Sample,
    Shipment,
    Site,
    Upload,
    User,
)
from cohorts.retrying import transacted

Subject = Participant | Sample | Upload | AssayBatch | Assessment | Shipment
GONE = "The cause is gone; closed by the rule that asked."


@dataclass(frozen=True)
class Finding:
    """What a rule found: ``cause`` tells it from the rule's other findings about the record.

    Put what was seen into ``cause`` (``bilirubin:umol/L``): a query that a person has closed is
    not asked again for the same cause, and is for another.
    """

    about: Subject
    cause: str
    text: str


@transacted
def recheck(rule: str, site: Site, found: Iterable[Finding], **scope: Any) -> list[Query]:
    """Ask what the rule found and nobody was asked yet; close what it no longer finds.

    ``scope`` names what the rule looked at (``batch=batch``; the whole site when empty): outside
    of it nothing is closed. Call it in the transaction of the change. Returns the new queries.
    """
    # The site's row orders rules that look at the same records at the same time.
    Site.objects.select_for_update(no_key=True).get(pk=site.pk)
    findings = {(_name_of(f.about), f.about.pk, f.cause): f for f in found}
    asked = set()
    for query in Query.objects.filter(site=site, rule=rule, **scope):
        key = (query.subject_kind, getattr(query, f"{query.subject_kind}_id"), query.cause)
        if query.state == Query.State.CLOSED:
            # A person has judged this very cause; a rule that closed it by itself may ask again.
            asked |= {key} if query.closed_by_id else set()
        elif key in findings:
            asked.add(key)
        else:
            _end(query, by=None, text=GONE)
    return [_ask(rule, site, findings[key]) for key in findings if key not in asked]


@transacted
def ask(about: Subject, *, text: str, by: User) -> Query:
    """A person's question about one record."""
    site = site_of(about)
    if not access.may(by, "query", "C", site.pk):
        raise NotAllowed(say("Your role at %(site)s does not ask data queries.", site=site.code))
    query = Query(site=site, text=text.strip(), raised_by=by, **{_name_of(about): about})
    query.full_clean()
    query.save()
    return query


@transacted
def answer(query_id: int, *, text: str, by: User) -> Query:
    """Answer a query; whoever asked, or its rule, closes it or asks again."""
    query = _held(query_id, by)
    if query.raised_by_id == by.pk:
        raise RefusedQuery(say("You asked this query; somebody else answers it."))
    _note(query, QueryEvent.Kind.ANSWERED, by=by, text=text)
    return _move(query, Query.State.ANSWERED)


@transacted
def ask_again(query_id: int, *, text: str, by: User) -> Query:
    """The answer does not settle it: say what is still open."""
    query = _held(query_id, by)
    if query.state != Query.State.ANSWERED:
        raise RefusedQuery(say("This query has no answer yet: wait for one, or close it."))
    _refuse_own_answer(query, by)
    _note(query, QueryEvent.Kind.ASKED_AGAIN, by=by, text=text)
    return _move(query, Query.State.OPEN)


@transacted
def close(query_id: int, *, text: str, by: User) -> Query:
    """Close a query with the reason; not by the person whose answer it is."""
    query = _held(query_id, by)
    _refuse_own_answer(query, by)
    if not text.strip():
        raise UnusableRequest(say("Say why the query is closed."))
    _end(query, by=by, text=text.strip())
    return query


def site_of(about: Subject) -> Site:
    """The site whose people answer for a record."""
    if isinstance(about, Assessment):
        return about.participant.site
    return about.from_site if isinstance(about, Shipment) else about.site


def _name_of(about: models.Model) -> str:
    return "batch" if isinstance(about, AssayBatch) else str(about._meta.model_name)


def _ask(rule: str, site: Site, finding: Finding) -> Query:
    query = Query(
        site=site,
        rule=rule,
        cause=finding.cause,
        text=finding.text,
        said=stored(finding.text),
        **{_name_of(finding.about): finding.about},
    )
    query.full_clean()
    query.save()
    return query


def _held(query_id: int, by: User) -> Query:
    query: Query = (
        Query.objects.select_for_update(of=("self",)).select_related("site").get(pk=query_id)
    )
    if not access.may(by, "query", "C", query.site_id):
        raise NotAllowed(
            say("Your role at %(site)s reads data queries and answers none.", site=query.site.code)
        )
    if query.state == Query.State.CLOSED:
        raise RefusedQuery(say("This query is closed; ask a new one."))
    return query


def _refuse_own_answer(query: Query, by: User) -> None:
    last = query.events.filter(kind=QueryEvent.Kind.ANSWERED).last()
    if last is not None and last.by_id == by.pk:
        raise RefusedQuery(say("The answer is yours; somebody else closes it or asks again."))


def _note(query: Query, kind: str, *, by: User | None, text: str) -> None:
    event = QueryEvent(query=query, kind=kind, by=by, text=text.strip())
    event.full_clean()
    event.save()


def _move(query: Query, state: str) -> Query:
    query.state = state
    query.save(update_fields=["state"])
    return query


def _end(query: Query, *, by: User | None, text: str) -> None:
    _note(query, QueryEvent.Kind.CLOSED, by=by, text=text)
    query.state, query.closed_by, query.closed_at = Query.State.CLOSED, by, timezone.now()
    query.save(update_fields=["state", "closed_by", "closed_at"])
