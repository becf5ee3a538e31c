"""Codes of an erased person, taken out of what a site's people wrote about anything else.

Rows of the person go as a whole, and their events are emptied; here are the others. A field that is
not named below holds no running text: a test goes through every field of every model.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import reduce
from operator import or_
from typing import Any, Final

from django.db.models import CharField, JSONField, Model, Q, QuerySet, TextField
from django.db.models.functions import Cast

from cohorts.ingest.redaction import masked, masking
from cohorts.models import (
    EVENTS,
    AcceptanceLimits,
    AssayBatch,
    AssayRow,
    BatchVoid,
    Box,
    Change,
    Consent,
    CustodyEvent,
    Destruction,
    DictionaryEdit,
    Erasure,
    ExportRequest,
    FeatureDecision,
    Participant,
    Query,
    QueryEvent,
    Receipt,
    RecordExport,
    Sample,
    Shipment,
    Site,
    Transfer,
    Upload,
    Withdrawal,
)
from cohorts.services.audit.audit_chain import KINDS


@dataclass(frozen=True)
class Written:
    """Running text of a model.

    ``sites``: the ways from its row to the sites that wrote it; none for what is every site's.
    """

    model: type[Model]
    fields: tuple[str, ...]
    sites: tuple[str, ...] = ("site",)
    where: dict[str, Any] = field(default_factory=dict)


WRITTEN: Final = (
    Written(Site, ("paused_because",), ("pk",)),
    Written(Change, ("cause",)),
    Written(Box, ("place",)),
    # Every other step's note is written by the platform, of the tube and its aliquots alone.
    Written(CustodyEvent, ("note",), ("sample__site",), {"kind": CustodyEvent.Kind.MEASURED}),
    Written(Destruction, ("cause", "method")),
    # Where an erased person's own tube lies must be known until it is destroyed.
    Written(Destruction, ("place",), where={"sample__isnull": False}),
    Written(Shipment, ("courier", "reference"), ("from_site", "to_site")),
    Written(Receipt, ("unexpected", "note"), ("shipment__from_site", "shipment__to_site")),
    Written(Transfer, ("reason",), ("participant__site", "to_site")),
    Written(Consent, ("basis",), ("participant__site",)),
    Written(Withdrawal, ("note",), ("participant__site",)),
    Written(Erasure, ("reason",)),
    Written(AssayBatch, ("label", "void_reason")),
    Written(AssayRow, ("label",), ("batch__site",), {"sample": None}),
    Written(BatchVoid, ("reason",), ("batch__site",)),
    Written(Upload, ("reason",)),
    Written(Query, ("text", "cause", "said")),
    Written(QueryEvent, ("text",), ("query__site",)),
    Written(RecordExport, ("reason",)),
    Written(ExportRequest, ("reason", "recipient", "note")),
    # Of the dictionary, which is every site's.
    Written(FeatureDecision, ("reason",), ()),
    Written(DictionaryEdit, ("reason", "note"), ()),
    Written(AcceptanceLimits, ("reason",), ()),
)


@dataclass(frozen=True)
class Codes:
    """What the person and their tubes are called."""

    person: str
    tubes: frozenset[str]

    def all(self) -> Collection[str]:
        return {self.person, *self.tubes}

    def out_of(self, value: Any) -> Any:
        """A text, or JSON, without the codes. A tube's must stand as a word of its own."""
        if not isinstance(value, str):
            return json.loads(self.out_of(json.dumps(value, ensure_ascii=False)))
        numbers = {code for code in self.tubes if not re.search("[A-Za-z]", code)}
        for mask in (
            masking([self.person]),
            masking(self.tubes - numbers, whole=True),
            masking(numbers),
        ):
            value = masked(value, mask)
        return value


def codes_of(person: Participant) -> Codes:
    """Read before the person's tubes are deleted."""
    tubes = Sample.objects.filter(participant=person).values_list("code", flat=True)
    return Codes(person.code, frozenset(tubes))


def mask(codes: Codes, site: Site) -> dict[str, set[int]]:
    """Mask the codes wherever the site's people wrote them; entries of the trail that changed.

    Call it after the person's rows are deleted: each row masked here leaves an event, and the
    events of before are masked with it.
    """
    touched: dict[str, set[int]] = defaultdict(set)
    for written in WRITTEN:
        rows = _of_site(written, written.model, site)
        numbers = set(_masked(rows, written, codes))
        if written.model in EVENTS:
            event = EVENTS[written.model]
            past = _of_site(written, event, site)
            touched[event._meta.model_name or ""] |= set(_masked(past, written, codes))
        elif written.model._meta.model_name in KINDS:
            touched[written.model._meta.model_name or ""] |= numbers
    return touched


def _of_site(written: Written, model: type[Model], site: Site) -> QuerySet[Any]:
    # The event of a site's row is found by the number of that row.
    own = "pgh_obj_id" if model is not written.model else "pk"
    ways = [Q(**{own if way == "pk" else way: site.pk}) for way in written.sites]
    rows: QuerySet[Any] = model._default_manager.filter(reduce(or_, ways, Q()), **written.where)
    return rows


def _masked(rows: QuerySet[Any], written: Written, codes: Codes) -> Iterator[int]:
    for name in written.fields:
        for row in _naming(rows, name, codes.all()):
            was = getattr(row, name)
            now = codes.out_of(was)
            if now != was:
                longest = getattr(row._meta.get_field(name), "max_length", None)
                setattr(row, name, now[:longest] if isinstance(now, str) else now)
                row.save(update_fields=[name])
                yield row.pk


def _naming(rows: QuerySet[Any], name: str, codes: Iterable[str]) -> list[Any]:
    """Rows that may name one of the codes there."""
    kind = rows.model._meta.get_field(name)
    if isinstance(kind, JSONField):
        rows = rows.annotate(said_there=Cast(name, TextField()))
        name = "said_there"
    elif not isinstance(kind, CharField | TextField):
        raise TypeError(f"{rows.model.__name__}.{name} is neither text nor JSON")
    return list(rows.filter(reduce(or_, (Q(**{f"{name}__contains": code}) for code in codes))))
