"""What a check must know of a site, read from the records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple

from django.db.models import Max

from cohorts import clock
from cohorts.ingest.facts import (
    FeatureFacts,
    FeatureIndex,
    InstrumentFacts,
    ParticipantFacts,
    SampleFacts,
    SiteFacts,
    identifiers_in,
    normalise,
)
from cohorts.models import (
    AssayBatch,
    Assessment,
    Consent,
    Feature,
    FeatureAlias,
    Instrument,
    Participant,
    Sample,
    Site,
    Withdrawal,
)
from cohorts.services import dictionaries
from cohorts.services.erasing import ledger


def facts_of(site: Site, kind: str = "") -> SiteFacts:
    """The site's books as of now; take the site's row lock first where a write follows.

    ``kind`` is that of the table to be checked, which leaves out what no such check asks for.
    """

    def asked(by: str) -> bool:
        return kind in ("", by)

    today = clock.today_at(site)
    return SiteFacts(
        site=site.code,
        today=today,
        groups=site.study.groups,
        participants=_participants(site, today),
        samples={
            code: SampleFacts(code, participant, material)
            for code, participant, material in Sample.objects.filter(site=site).values_list(
                "code", "participant__code", "material"
            )
        },
        instruments=_instruments() if asked("assessments") else {},
        assessed=_assessed(site) if asked("assessments") else frozenset(),
        features=feature_index(site) if asked("assays") else FeatureIndex(),
        ethics_until=site.ethics_expires_on,
        erased=ledger.erased_at(site),
        variables=dictionaries.declared(site.study),
        platforms=_platforms(site) if asked("assays") else frozenset(),
    )


def _platforms(site: Site) -> frozenset[str]:
    used = AssayBatch.objects.filter(site=site).order_by()
    return frozenset(used.values_list("platform", flat=True).distinct())


def _assessed(site: Site) -> frozenset[tuple[str, str, date]]:
    known = Assessment.objects.filter(participant__site=site)
    return frozenset(known.values_list("participant__code", "instrument__code", "assessed_on"))


def facts_of_one(site: Site, code: str) -> SiteFacts:
    """What a check of one new person must know: whether the code is taken, and the site's rules."""
    today = clock.today_at(site)
    return SiteFacts(
        site=site.code,
        today=today,
        groups=site.study.groups,
        participants=_participants(site, today, only=code),
        ethics_until=site.ethics_expires_on,
        erased=ledger.erased_at(site),
    )


def _participants(site: Site, today: date, only: str = "") -> dict[str, ParticipantFacts]:
    """By code; ``only`` that code, in any case, where one is named."""
    people = Participant.objects.filter(site=site)
    if only:
        people = people.filter(code__iexact=only)
    scopes = dict(
        Consent.objects.filter(participant__in=people)
        .in_force(today)
        .values_list("participant_id", "scopes")
    )
    levels = dict(
        Withdrawal.objects.filter(participant__in=people)
        .effective(clock.today())  # by which they are dated: where the site is it may be yesterday
        .order_by()
        .values_list("participant_id")
        .annotate(Max("level"))
    )
    # One set for all who granted the same: what is sent to a child names it once.
    granted = {tuple(each): frozenset(each) for each in (*scopes.values(), ())}
    return {
        code: ParticipantFacts(
            code=code,
            scopes=granted[tuple(scopes.get(pk, ()))],
            withdrawal_level=levels.get(pk, 0),
            group=group,
            consented=pk in scopes,
            merged_into=kept or "",
            left_on=left_on,
        )
        for pk, code, group, kept, left_on in people.values_list(
            "pk", "code", "group", "merged_into__code", "left_on"
        )
    }


def _instruments() -> dict[str, InstrumentFacts]:
    facts: dict[str, InstrumentFacts] = {}
    for instrument in Instrument.objects.all().in_order_of_versions():
        earlier = facts.get(instrument.code)
        facts[instrument.code] = InstrumentFacts(
            code=instrument.code,
            n_items=instrument.n_items,
            item_min=instrument.item_min,
            item_max=instrument.item_max,
            total_min=instrument.total_min,
            total_max=instrument.total_max,
            versions=frozenset({instrument.version})
            | (earlier.versions if earlier else frozenset()),
            languages=frozenset(instrument.languages),
        )
    return facts


def feature_index(site: Site) -> FeatureIndex:
    """Names under which this site may send a feature: its own aliases win over everybody's.

    The name of a feature that was merged leads to the one it was merged into.
    """
    rows = [_FeatureRow(*row) for row in Feature.objects.order_by("pk").values_list(*_IN_A_ROW)]
    facts = {row.pk: feature_facts(row) for row in rows}
    meant = {row.pk: facts[row.merged_into_id or row.pk] for row in rows}
    by_name = {normalise(row.name): meant[row.pk] for row in rows}
    aliases = FeatureAlias.objects.filter(site=None) | FeatureAlias.objects.filter(site=site)
    for name, feature_id, _ in sorted(
        aliases.values_list("name", "feature_id", "site_id"), key=lambda alias: alias[2] is not None
    ):
        by_name[normalise(name)] = meant[feature_id]
    return FeatureIndex(by_name, _by_identifier(rows, facts))


class _FeatureRow(NamedTuple):
    """Of a feature what its facts need: a model of each costs more than all the rest."""

    pk: int
    name: str
    canonical_unit: str
    molar_mass: float | None
    kind: str
    ignored: bool
    merged_into_id: int | None
    hmdb: str
    chebi: str
    inchikey: str


_IN_A_ROW = _FeatureRow._fields


def feature_facts(feature: Feature | _FeatureRow) -> FeatureFacts:
    """A feature as the checks know it."""
    return FeatureFacts(
        feature.name,
        feature.canonical_unit or None,
        feature.molar_mass,
        feature.kind,
        feature.ignored,
    )


def _by_identifier(
    rows: Sequence[_FeatureRow], facts: Mapping[int, FeatureFacts]
) -> dict[str, FeatureFacts]:
    """Identifiers that name one feature; those that name several name none."""
    named: dict[str, list[_FeatureRow]] = {}
    for row in rows:
        if row.merged_into_id is None and (row.hmdb or row.chebi or row.inchikey):
            for key in identifiers_in(f"{row.hmdb} CHEBI:{row.chebi or '-'} {row.inchikey}"):
                named.setdefault(key, []).append(row)
    found = {}
    for key, owners in named.items():
        # One metabolite may have a ratio or an enzyme beside it: the concentration is meant.
        meant = [row for row in owners if row.kind == "concentration"] or owners
        if len(meant) == 1:
            found[key] = facts[meant[0].pk]
    return found
