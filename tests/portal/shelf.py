"""A study with all of its books filled: what the pages look like when people work with them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pandas as pd
from django.utils import timezone

from analysis.models import Run, RunTable
from cohorts import models
from cohorts.models.assay import pack_flags, pack_values
from cohorts.services.samples import boxes, shipping
from tests.factories import (
    SCOPES,
    AssayBatchFactory,
    ConsentFactory,
    ParticipantFactory,
    SampleFactory,
    UploadFactory,
    user_with,
)
from tests.portal import books

MARKERS = (
    *("ornithine", "arginine", "bilirubin", "uric acid", "creatinine", "citrulline", "urea"),
    *("lysine", "serine", "glycine", "tryptophan", "kynurenine", "histidine", "methionine"),
    *("acylcarnitine C2", "acylcarnitine C8", "acylcarnitine C10", "acylcarnitine C12"),
)
VERDICTS = (
    ("K22-3", "arginine", "opposite", 0.62),
    ("K22-5", "bilirubin", "replicated", -0.57),
    ("OWN-1", "acylcarnitine C12", "undecided", -0.04),
)
SITES = ("FUK", "TYO", "SEL", "BCN")


@dataclass(frozen=True)
class Shelf:
    site: models.Site
    person: models.Participant
    tube: models.Sample
    box: models.Box
    sent: models.Shipment
    coming: models.Shipment
    query: models.Query
    batch: models.AssayBatch
    run: Run


def filled() -> Shelf:
    """Two sites at work, and a run over four."""
    here, there = books.two_sites()
    models.Site.objects.filter(pk=here.pk).update(
        target_participants=40,
        target_from=date(2024, 1, 1),
        target_until=timezone.localdate() + timedelta(days=400),
    )
    here.refresh_from_db()
    people = _people(here)
    tubes = _tubes(here, people)
    sent, coming = _shipments(here, there, tubes)
    query = models.Query.objects.create(
        site=here,
        sample=tubes[0],
        raised_by=user_with("SD", here),
        text="Was this tube spun within two hours? The form says 09:10 and the centrifuge 12:40.",
    )
    counts = {"measured": 1480, "below_lod": 41, "missing": 12}
    upload = UploadFactory(
        site=here, filename="plasma-2026-04.csv", report={"rows": 20, "summary": counts}
    )
    batch = AssayBatchFactory(site=here, upload=upload, platform="LC-MS amino acids")
    _measured(batch, tubes)
    _proposed()
    box = models.Box.objects.get(site=here)
    return Shelf(here, people[0], tubes[0], box, sent, coming, query, batch, _run())


def _measured(batch: models.AssayBatch, tubes: list[models.Sample]) -> None:
    """Uric acid in mg/dL, some of it outside the range of men."""
    urate, _ = models.Feature.objects.get_or_create(
        name="uric acid", defaults={"canonical_unit": "umol/L", "molar_mass": 168.112}
    )
    models.ReferenceRange.objects.get_or_create(
        feature=urate, sex="male", defaults={"low": 220, "high": 464, "source": "JCCLS"}
    )
    models.BatchFeature.objects.create(
        batch=batch, position=0, feature=urate, source_name="UA", unit="mg/dL", factor=59.484
    )
    for n, tube in enumerate(tubes):
        models.AssayRow.objects.create(
            batch=batch,
            sample=tube,
            label=tube.code,
            packed_values=pack_values(np.array([3.0 + n / 2])),
            packed_flags=pack_flags(np.zeros(1)),
        )


def _proposed() -> None:
    """Two edits of the dictionary: one waits, one was refused."""
    urate = models.Feature.objects.get(name="uric acid")
    said = {"kind": "change", "subject": "feature", "subject_id": urate.pk, "label": "uric acid"}
    steward = user_with("CD")
    models.DictionaryEdit.objects.create(
        **said,
        was={"hmdb": ""},
        becomes={"hmdb": "HMDB0000289"},
        reason="looked up in the database",
        proposed_by=steward,
    )
    models.DictionaryEdit.objects.create(
        **said,
        was={"molar_mass": 168.112},
        becomes={"molar_mass": 186.112},
        reason="from the kit's manual",
        proposed_by=steward,
        approved=False,
        decided_by=user_with("CD"),
        decided_at=timezone.now(),
        note="two digits are the wrong way round",
    )


def _people(site: models.Site) -> list[models.Participant]:
    people = []
    for n in range(24):
        month = date(2024 + n // 12, n % 12 + 1, 9)
        group = "hikikomori" if n % 2 else "healthy_control"
        people.append(
            ParticipantFactory(site=site, code=f"FUK-{n:03}", group=group, enrolled_on=month)
        )
    for n, person in enumerate(people[:21]):
        ConsentFactory(participant=person, scopes=SCOPES if n else SCOPES[:1])
    return people


def _tubes(site: models.Site, people: list[models.Participant]) -> list[models.Sample]:
    drawn = timezone.now() - timedelta(days=90)
    return [
        SampleFactory(
            participant=person,
            code=f"FUK-{n:03}-P",
            collected_at=drawn,
            spun_at=drawn + timedelta(minutes=50 if n % 5 else 190),
            volume_ul=500,
            freeze_thaws=0,
        )
        for n, person in enumerate(people[:20])
    ]


def _shipments(
    here: models.Site, there: models.Site, tubes: list[models.Sample]
) -> tuple[models.Shipment, models.Shipment]:
    ours, theirs = user_with("LT", here), user_with("LT", there)
    box = boxes.add_box(here, code="EDTA-07", place="Freezer 2", n_rows=5, n_columns=5, by=ours)
    for n, tube in enumerate(tubes[:10]):
        boxes.move(tube.pk, box_code=box.code, row=n // 5 + 1, column=n % 5 + 1, by=ours)
    now = timezone.now()
    codes = [tube.code for tube in tubes[10:13]]
    said = {"courier": "World Courier", "sent_at": now - timedelta(hours=9)}
    sent = shipping.send(here, there, codes, by=ours, **said)
    arrived = {codes[0]: "good", codes[1]: "thawed"}
    log = [(now - timedelta(hours=k), -71.5) for k in (8, 5, 2)]
    shipping.receive(
        sent.pk, arrived, received_at=now - timedelta(hours=1), temperatures=log, by=theirs
    )
    tube = SampleFactory(participant__site=there, code="TYO-001-P")
    return sent, shipping.send(there, here, [tube.code], by=theirs, **said)


def _run() -> Run:
    """Invented effects of eighteen markers at four sites, pooled."""
    run = books.concluded(books.run_of(books.followed_plan()))
    rng = np.random.default_rng(11)
    planted = dict(zip(MARKERS, np.linspace(0.7, -0.5, len(MARKERS)), strict=True))
    planted |= {marker: estimate for _, marker, _, estimate in VERDICTS}
    one = books.effects().iloc[0]
    rows = []
    for marker, g in planted.items():
        for site in SITES:
            drawn = g + rng.normal(0, 0.15)
            said = {"feature": marker, "site": site, "hedges_g": drawn, "estimate": drawn}
            people = {"n_case": 45, "n_control": 44, "df": 83.0}
            rows.append({**one, **said, **people, "source_name": marker})
    effects = pd.DataFrame(rows)
    together = effects.groupby("feature", sort=False)["hedges_g"].mean()
    pooled = pd.concat([books.pooled()] * len(MARKERS), ignore_index=True).assign(
        feature=list(MARKERS), estimate=together.to_numpy(), n_sites=4, n_case=180, n_control=176
    )
    pooled["ci_low"], pooled["ci_high"] = pooled["estimate"] - 0.22, pooled["estimate"] + 0.22
    pooled["p"] = np.exp(-12 * pooled["estimate"].abs())
    pooled["q"] = np.minimum(pooled["p"] * 1.5, 1)
    pooled["pi_low"], pooled["pi_high"] = pooled["estimate"] - 0.4, pooled["estimate"] + 0.4
    for name, frame in (("effects", effects), ("pooled", pooled.assign(sites=";".join(SITES)))):
        RunTable.objects.filter(run=run, name=name).delete()
        RunTable.of(run, name, frame).save()
    for code, marker, word, estimate in VERDICTS:
        told = {"n_sites": 4, "n_case": 180, "n_control": 176, "estimate": estimate}
        told |= {"ci_low": estimate - 0.22, "ci_high": estimate + 0.22, "feature": marker}
        books.verdict(run, code, marker, word, "By the interval over 4 sites.", **told)
    return run
