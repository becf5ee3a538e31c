"""Refusals of the study's records. Every message is a sentence that a person reads."""

from __future__ import annotations

from cohorts.language.sentences import say
from cohorts.language.told import told


class DomainError(Exception):
    """A rule of the study forbids what was asked. Subclasses carry a stable ``code``.

    ``sentence`` (and ``str`` of it) is English, for what is stored; ``message`` is in the language
    of who reads it now.
    """

    code = "refused"

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence

    @property
    def message(self) -> str:
        return told(self.sentence)


class NotAllowed(DomainError):
    """The person's role does not cover this, at this site."""

    code = "not_allowed"


class NoSuchSite(DomainError):
    """Said alike of a site that does not exist and of one that is somebody else's."""

    code = "no_such_site"

    def __init__(self, site_code: str) -> None:
        super().__init__(
            say("There is no site %(site)s that you can send tables for.", site=repr(site_code))
        )


class UnusableRequest(DomainError):
    """The request itself cannot be carried out; the message says what to change."""

    code = "unusable_request"


class RefusedErasure(DomainError):
    """An erasure is not at the point where this can be done, or not by this person."""

    code = "erasure_refused"


class AlreadyWithdrawn(DomainError):
    """A withdrawal can be raised, not lowered; a lower level is a new consent."""

    code = "already_withdrawn"


class RefusedQuery(DomainError):
    """A data query is not at the point where this can be done, or not by this person."""

    code = "query_refused"


class ChangedMeanwhile(DomainError):
    """Somebody else has changed the row since it was read."""

    code = "changed_meanwhile"


class BooksHaveMoved(DomainError):
    """What was checked would now do something else than the person was shown."""

    code = "books_have_moved"


class RefusedHandling(DomainError):
    """A tube, box, shipment or batch is not at the point where this can be done to it."""

    code = "handling_refused"


class RefusedDecision(DomainError):
    """The dictionary or a batch is not at the point where this can be decided of it."""

    code = "decision_refused"


class RefusedExport(DomainError):
    """An export is not at the point where this can be done."""

    code = "export_refused"
