"""How one sample was handled, and what its amino acids say of it once they are measured."""

from __future__ import annotations

from dataclasses import dataclass

from cohorts.models import (
    AssayBatch,
    AssayRow,
    BatchFeature,
    CustodyEvent,
    Sample,
    ShippedTube,
    ValueFlag,
)
from cohorts.preanalytics import Handling, HandlingJudgement, judge
from cohorts.sprec import TEMPERATURES, Temperature

ARGININE, ORNITHINE = "HMDB0000517", "HMDB0000214"
# Promptly separated plasma has 0.50-0.74; lower means that it lay on its cells.
PROMPT_RATIO = 0.50


@dataclass(frozen=True)
class SampleHandling:
    """``ratio``: arginine/(arginine + ornithine), the lowest of its batches; None unmeasured.

    ``thaws_seen`` are those of its steps, where the count before these is not recorded.
    """

    judgement: HandlingJudgement
    ratio: float | None
    thaws_seen: int = 0

    @property
    def ratio_word(self) -> str:
        """prompt, suspect, or unknown where it was not measured."""
        if self.ratio is None:
            return "unknown"
        return "prompt" if self.ratio >= PROMPT_RATIO else "suspect"


def handling_of(sample: Sample) -> SampleHandling:
    """The judgement of what was recorded, and the ratio of what was measured."""
    thaws_seen = _thaws_seen(sample) if sample.freeze_thaws is None else 0
    facts = Handling(
        material=sample.material,
        tube=sample.tube,
        collected_at=sample.collected_at,
        spun_at=sample.spun_at,
        frozen_at=sample.frozen_at,
        temperature=kept_at(sample),
        haemolysis_index=sample.haemolysis_index,
        light_protected=sample.light_protected,
        freeze_thaws=sample.freeze_thaws,
        thaws_seen=thaws_seen,
        centrifugation=sample.centrifugation,
        second_centrifugation=sample.second_centrifugation,
        storage=sample.storage,
    )
    return SampleHandling(judge(facts), _ratio(sample), thaws_seen)


def kept_at(sample: Sample) -> Temperature | None:
    """Warm or cold on the way to the centrifuge; None where nobody recorded it."""
    return next((known for known in TEMPERATURES if known == sample.temperature), None)


def _thaws_seen(sample: Sample) -> int:
    """Thaws of its own, by a step or on the way, and of what it was made of before it was made."""
    on_the_way = ShippedTube.objects.filter(sample=sample, condition=ShippedTube.Condition.THAWED)
    seen = sample.custody.filter(kind=CustodyEvent.Kind.THAWED).count() + on_the_way.count()
    child = sample
    while child.parent is not None:
        made = child.custody.filter(kind=CustodyEvent.Kind.MADE).first()
        earlier = child.parent.custody.filter(kind=CustodyEvent.Kind.THAWED)
        seen += earlier.filter(at__lte=made.at).count() if made else 0
        child = child.parent
    return seen


def _ratio(sample: Sample) -> float | None:
    rows = AssayRow.objects.filter(
        sample=sample,
        batch__status=AssayBatch.Status.ACCEPTED,
        batch__scale=AssayBatch.Scale.RAW,
    )
    ratios = []
    for row in rows:
        measured = {}
        columns = BatchFeature.objects.filter(
            batch=row.batch_id, feature__hmdb__in=(ARGININE, ORNITHINE), factor__isnull=False
        )
        for position, factor, hmdb in columns.values_list("position", "factor", "feature__hmdb"):
            if row.flags[position] == ValueFlag.MEASURED:
                measured[hmdb] = row.values[position] * factor
        if len(measured) == 2 and sum(measured.values()) > 0:
            ratios.append(measured[ARGININE] / sum(measured.values()))
    return float(min(ratios)) if ratios else None
