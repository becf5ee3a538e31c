"""Recording answers to instruments, scored on arrival."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from cohorts import history
from cohorts.ingest.assessments import AssessmentRow
from cohorts.language.sentences import say
from cohorts.models import Assessment, Change, Instrument, Participant, Site
from cohorts.retrying import transacted
from cohorts.scoring import SCORING_VERSION, ScoringRule, score
from cohorts.services.biobank import visits_of


def record_assessments(site: Site, rows: Sequence[AssessmentRow]) -> None:
    """Record checked rows with their derived scores; inside the upload's transaction."""
    participants = dict(Participant.objects.filter(site=site).values_list("code", "pk"))
    visits = visits_of(site, {(row.participant, row.visit) for row in rows if row.visit})
    instruments = _instruments(rows)
    Assessment.objects.bulk_create(
        Assessment(
            participant_id=participants[row.participant],
            visit=visits.get((row.participant, row.visit)),
            instrument=instruments[row.instrument, row.version],
            language=row.language,
            assessed_on=row.assessed_on,
            items=list(row.items),
            sent_total=row.total,
            score=score_of(instruments[row.instrument, row.version], row.items, row.total),
            scoring_version=SCORING_VERSION,
            variables=row.variables,
        )
        for row in rows
    )


def _instruments(rows: Sequence[AssessmentRow]) -> dict[tuple[str, str], Instrument]:
    """By code and version as the table names them; without a version the newest is meant."""
    known = Instrument.objects.filter(code__in={row.instrument for row in rows})
    found: dict[tuple[str, str], Instrument] = {}
    for instrument in known.in_order_of_versions():
        found[instrument.code, instrument.version] = found[instrument.code, ""] = instrument
    return found


def rule_of(instrument: Instrument) -> ScoringRule:
    """How this instrument is scored, as the pure scorer takes it."""
    return ScoringRule(
        n_items=instrument.n_items or 0,
        item_min=instrument.item_min,
        item_max=instrument.item_max,
        reversed_items=frozenset(instrument.reversed_items),
        subscales={name: tuple(items) for name, items in instrument.subscales.items()},
        max_missing_items=instrument.max_missing_items,
    )


def score_of(
    instrument: Instrument, items: Sequence[int | None], total: float | None
) -> float | None:
    """From the items where they were sent; the site's total stands in only where they were not."""
    if items and instrument.n_items:
        return score(items, rule_of(instrument)).total
    return total


@transacted
def rescore(instrument: Instrument | None = None) -> int:
    """Score again what an earlier version of the rules has scored; how many scores moved.

    With ``instrument``, whose own rule was edited, all of its assessments. The earlier score stays
    readable in the assessment's history.
    """
    found = Assessment.objects.select_for_update(of=("self",)).select_related(
        "instrument", "participant__site__study"
    )
    if instrument is None:
        stale = found.exclude(scoring_version=SCORING_VERSION)
    else:
        stale = found.filter(instrument=instrument)
    moved: Counter[Site] = Counter()
    done = []
    for each in stale.order_by("pk"):
        now = score_of(each.instrument, each.items, each.sent_total)
        moved[each.participant.site] += now != each.score
        each.score, each.scoring_version = now, SCORING_VERSION
        done.append(each)
    why = say(
        "scored again by version %(scoring_version)s of the rules", scoring_version=SCORING_VERSION
    )
    with history.because(why):
        Assessment.objects.bulk_update(done, ["score", "scoring_version"], batch_size=500)
    for site, n in moved.items():
        if n:
            Change.objects.record(
                study=site.study, site=site, kind="assessments", counts={"rescored": n}, cause=why
            )
    return moved.total()
