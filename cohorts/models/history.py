"""What rows were: an event for each row written, changed or deleted, kept by triggers.

Triggers see what no service does: `update()`, `bulk_create` and SQL by hand. Values of assays are
not followed: a batch is voided and replaced as a whole, and its table is loaded in bulk.
"""

from __future__ import annotations

from typing import Any, Final

import pghistory
from django.db import models
from django.db.models import Q
from django.db.models.fields.json import KeyTransform

from cohorts.models.assessment import Assessment
from cohorts.models.consent import Consent, ConsentForm, Withdrawal
from cohorts.models.custody import SAID_BY_HAND, CustodyEvent, Destruction
from cohorts.models.interview import Interview
from cohorts.models.participant import Participant, Visit
from cohorts.models.sample import Box, Sample
from cohorts.models.scoping import ScopedQuerySet
from cohorts.models.shipment import Receipt, Shipment, ShippedTube
from cohorts.models.site import Membership, Site

# Who reads the event reads the row: resource of the permission table, and the way to the site.
FOLLOWED: Final[dict[type[models.Model], tuple[str, str]]] = {
    Participant: ("participant", "site"),
    Visit: ("participant", "participant__site"),
    ConsentForm: ("consent", "site"),
    Consent: ("consent", "participant__site"),
    Withdrawal: ("withdrawal", "participant__site"),
    Sample: ("sample", "site"),
    Box: ("sample", "site"),
    CustodyEvent: ("sample", "sample__site"),
    Destruction: ("destruction", "site"),
    Shipment: ("shipment", "from_site"),
    ShippedTube: ("shipment", "shipment__from_site"),
    Receipt: ("shipment", "shipment__from_site"),
    Assessment: ("assessment", "participant__site"),
    Interview: ("assessment", "participant__site"),
    Membership: ("account", "site"),
    Site: ("site", "id"),
}


def _events_of(model: type[models.Model], resource: str, site_path: str) -> type[models.Model]:
    name = f"{model.__name__}Event"
    rows: Any = type(f"{name}QuerySet", (ScopedQuerySet,), {
        "resource": resource, "site_path": site_path, "__module__": __name__,
    })  # fmt: skip
    names = {field.name for field in model._meta.fields}
    indexes = [
        # The few events with a reason are read through when somebody is erased.
        models.Index(
            name=f"{model.__name__.lower()}_event_reason",
            fields=["pgh_id"],
            condition=Q(pgh_context__has_key="reason"),
        )
    ]
    of_site = [site_path] if site_path in names and site_path != "id" else []
    if of_site:
        # The audit trail of one site reads its newest events.
        indexes.append(
            models.Index(name=f"{model.__name__.lower()}_event_site", fields=[*of_site, "pgh_id"])
        )
    # And those of one person, and of some days, which may be few among all.
    indexes += [
        models.Index(
            KeyTransform("user", "pgh_context"),
            *of_site,
            "pgh_id",
            name=f"{model.__name__.lower()}_event_user",
        ),
        models.Index(name=f"{model.__name__.lower()}_event_at", fields=["pgh_created_at"]),
    ]
    if model is CustodyEvent:
        indexes.append(
            models.Index(name="custodyevent_event_said", fields=["pgh_id"], condition=SAID_BY_HAND)
        )
    # By these an erasure finds what was said of a person.
    for link, short in (("participant", "person"), ("sample", "sample")):
        if link in names:
            indexes.append(
                models.Index(name=f"{model.__name__.lower()}_event_{short}", fields=[link])
            )
    made: type[models.Model] = pghistory.create_event_model(
        model,
        pghistory.InsertEvent(),
        pghistory.UpdateEvent(),
        pghistory.DeleteEvent(),
        model_name=name,
        abstract=False,
        attrs={"objects": rows.as_manager()},
        meta={"ordering": ["pgh_id"], "indexes": indexes},
    )
    return made


EVENTS: Final[dict[type[models.Model], type[models.Model]]] = {
    model: _events_of(model, *where) for model, where in FOLLOWED.items()
}


def values_of(event_model: type[models.Model]) -> list[str]:
    """Columns of an event that hold what the row said, the row's own number apart."""
    return [
        field.attname
        for field in event_model._meta.concrete_fields
        if not field.name.startswith("pgh_") and field.name != "id"
    ]
