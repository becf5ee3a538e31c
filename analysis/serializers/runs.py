"""What the API says of plans, runs and claims; also the words of the OpenAPI schema."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from analysis.models import LARGEST_PRIORITY, Plan, Run
from analysis.services import plan_locks, waiting

Fields = serializers.Serializer[Any]
# A published run is told as one of the last three.
STANDINGS = [
    *(state for state in Run.State.values if state != Run.State.PUBLISHED),
    *("released", "held", "superseded"),
]


class PlanSerializer(serializers.ModelSerializer[Plan]):
    study = serializers.CharField(source="study.code", read_only=True)
    digest = serializers.SerializerMethodField(help_text="SHA-256 of all that the plan says.")
    preregistered = serializers.SerializerMethodField(
        help_text="When and as what it was locked, and whether data had come before, in words."
    )

    class Meta:
        model = Plan
        fields = ["id", "name", "version", "study", "followed", "digest", "data", "created_at"]
        fields += ["locked_at", "locked_digest", "tables_before_lock", "preregistered"]

    @extend_schema_field(serializers.CharField())
    def get_digest(self, plan: Plan) -> str:
        return plan.parsed.digest

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_preregistered(self, plan: Plan) -> str | None:
        told = plan_locks.registration_of(plan)
        return str(told["words"]) if told else None


class PlanName(Fields):
    """The plan that a run follows."""

    name = serializers.CharField()
    version = serializers.IntegerField()


class NewRunSerializer(Fields):
    """Which plan to run now."""

    plan = serializers.SlugField(max_length=50)


class PrioritySerializer(Fields):
    """Where in the queue a run belongs."""

    priority = serializers.IntegerField(
        min_value=-LARGEST_PRIORITY, max_value=LARGEST_PRIORITY, help_text="0 unless said."
    )


class LatestQuery(Fields):
    plan = serializers.SlugField(max_length=50)


class WaitQuery(Fields):
    wait = serializers.IntegerField(
        required=False,
        min_value=0,
        max_value=waiting.LONGEST_SECONDS,
        help_text="Seconds to wait for a working run to move on from the ETag in If-None-Match.",
    )

    @property
    def seconds(self) -> int:
        """How long the caller would wait; 0 where nothing is said."""
        return int(self.validated_data.get("wait", 0))


class RunStatusSerializer(Fields):
    """How far a run is."""

    id = serializers.UUIDField()
    state = serializers.ChoiceField(choices=Run.State.choices)
    plan = PlanName()
    step = serializers.CharField(allow_blank=True)
    share_done = serializers.FloatField(help_text="0 to 1.")
    standing = serializers.ChoiceField(
        choices=STANDINGS,
        required=False,
        help_text="In lists. "
        "The state, and of a published run: released, held back, or superseded by a "
        "newer run of the plan that you may see.",
    )
    expected_end = serializers.DateTimeField(
        allow_null=True,
        help_text="While it computes: when earlier runs of the plan say that it ends; null where "
        "there is none with the same steps.",
    )
    priority = serializers.IntegerField(help_text="Of the waiting runs, the highest goes first.")
    same_as = serializers.UUIDField(allow_null=True, help_text="Run with the same key.")
    failure = serializers.CharField(allow_blank=True)
    queued_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    published_at = serializers.DateTimeField(allow_null=True)
    released_at = serializers.DateTimeField(allow_null=True)
    held_because = serializers.CharField(allow_blank=True)


class SiteArms(Fields):
    site = serializers.CharField()
    n_case = serializers.IntegerField(allow_null=True)
    n_control = serializers.IntegerField(allow_null=True)


class LeftOut(Fields):
    site = serializers.CharField(required=False)
    what = serializers.CharField()
    n = serializers.IntegerField(allow_null=True)
    why = serializers.CharField()


class StepTally(Fields):
    """How many pieces of a step were computed, and how many taken from earlier runs."""

    step = serializers.CharField()
    computed = serializers.IntegerField()
    reused = serializers.IntegerField()
    total = serializers.IntegerField()
    seconds = serializers.FloatField()


class Registration(Fields):
    """When the plan was locked, and whether data had come before."""

    locked_at = serializers.DateTimeField()
    digest = serializers.CharField()
    tables_before = serializers.IntegerField(help_text="Assay tables accepted before the lock.")
    words = serializers.CharField()


class RunSerializer(RunStatusSerializer):
    """What a run is, without its results."""

    preregistered = Registration(required=False, allow_null=True)
    stale = serializers.BooleanField(
        required=False, help_text="What it rests on has changed since; a newer run is on its way."
    )
    stale_because = serializers.CharField(required=False, allow_blank=True)

    key = serializers.CharField(required=False)
    snapshot_digest = serializers.CharField(required=False, allow_null=True)
    change_seen = serializers.IntegerField(required=False)
    sites = SiteArms(many=True, required=False)
    n_features = serializers.IntegerField(required=False, allow_null=True)
    pooled_scale = serializers.CharField(required=False, allow_null=True)
    reused = StepTally(many=True, required=False, help_text="Empty for analysts.")
    left_out = LeftOut(many=True, required=False)
    later_withdrawn = serializers.IntegerField(
        required=False,
        allow_null=True,
        help_text="People in it who were withdrawn or erased since, rounded up to 5.",
    )
    cause = serializers.CharField(required=False, allow_blank=True)
    code_version = serializers.CharField(required=False)
    release_rules = serializers.IntegerField(
        required=False, help_text="Version of the disclosure rules that this answer passed."
    )
    disclosure_k = serializers.IntegerField(
        required=False, help_text="Fewest people behind any number shown, in each arm."
    )
    libraries = serializers.DictField(child=serializers.CharField(), required=False)


def number(help_text: str = "") -> serializers.FloatField:
    return serializers.FloatField(allow_null=True, help_text=help_text)


class EffectRow(Fields):
    """A feature at a site in a stratum. Null where it cannot be estimated or may not be shown."""

    stratum = serializers.CharField()
    feature = serializers.CharField()
    site = serializers.CharField()
    estimate = number()
    se = number()
    df = number()
    p = number()
    n_case = serializers.IntegerField(allow_null=True)
    n_control = serializers.IntegerField(allow_null=True)
    hedges_g = number()
    hedges_g_variance = number()
    adjusted_for = serializers.CharField(allow_blank=True)
    platform = serializers.CharField()
    matrix = serializers.CharField()
    scale = serializers.CharField()
    unit = serializers.CharField(allow_null=True)
    source_name = serializers.CharField(allow_null=True)
    hmdb = serializers.CharField(allow_null=True)
    n_below_lod = number()
    reason = serializers.CharField(allow_blank=True)


class PooledRow(Fields):
    """A feature over the sites, in Hedges g."""

    stratum = serializers.CharField()
    feature = serializers.CharField()
    estimate = number()
    se = number()
    ci_low = number()
    ci_high = number()
    p = number()
    q = number("p adjusted within the stratum")
    p_permutation = number("the feature's own p by permutations, if the plan asks for them")
    p_max_t = number("the same, adjusted for all features of the stratum")
    tau2 = number()
    i2 = number()
    q_statistic = number()
    q_p = number()
    pi_low = number("prediction interval")
    pi_high = number()
    n_sites = serializers.IntegerField(allow_null=True)
    n_case = serializers.IntegerField(allow_null=True)
    n_control = serializers.IntegerField(allow_null=True)
    reason = serializers.CharField(allow_blank=True)


class OneStageRow(Fields):
    """A feature in one mixed model over all sites, in within-site standard deviations."""

    stratum = serializers.CharField()
    feature = serializers.CharField()
    estimate = number()
    se = number()
    ci_low = number()
    ci_high = number()
    p = number()
    site_sd = number("standard deviation between the sites' levels")
    residual_sd = number()
    at_bound = serializers.BooleanField(allow_null=True)
    pooled_estimate = number("Hedges g, pooled in two stages")
    pooled_se = number()
    adjusted_for = serializers.CharField(allow_blank=True)
    n_sites = serializers.IntegerField(allow_null=True)
    n_case = serializers.IntegerField(allow_null=True)
    n_control = serializers.IntegerField(allow_null=True)
    reason = serializers.CharField(allow_blank=True)


class VerdictRow(Fields):
    """What the standing run says of a claim in a stratum."""

    claim = serializers.CharField()
    marker = serializers.CharField()
    stratum = serializers.CharField()
    verdict = serializers.CharField(allow_null=True)
    reason = serializers.CharField(allow_blank=True)
    estimate = number()
    ci_low = number("ordinary 95 % interval")
    ci_high = number()
    always_low = number("95 % interval over all looks, which the verdict rests on")
    always_high = number()
    n_sites = serializers.IntegerField(allow_null=True)
    n_case = serializers.IntegerField(allow_null=True)
    n_control = serializers.IntegerField(allow_null=True)
    feature = serializers.CharField(allow_blank=True)
    direction = serializers.CharField()
    measure = serializers.CharField(help_text="What the estimate is: g, AUC or Q2.")
    primary = serializers.BooleanField(help_text="The stratum in which the claim was made.")
    doi = serializers.CharField()


class StandingRow(VerdictRow):
    """A claim of the registry with its standing verdict."""

    run = serializers.UUIDField(allow_null=True)
    stale = serializers.BooleanField(help_text="What that run rests on has changed since.")
    stale_because = serializers.CharField(allow_blank=True)


class ClaimSerializer(Fields):
    """A claim of the registry, and its standing verdict in each stratum."""

    claim = serializers.CharField(source="code")
    kind = serializers.CharField()
    marker = serializers.CharField()
    markers = serializers.ListField(child=serializers.CharField())
    matrix = serializers.CharField()
    stratum = serializers.CharField()
    direction = serializers.CharField()
    handling_sensitive = serializers.BooleanField()
    published_effect = number("Hedges g as published, where it is known")
    other_readings = serializers.ListField(
        child=serializers.CharField(), help_text="Strata in which other sources read it."
    )
    doi = serializers.CharField()
    citation = serializers.CharField()
    scope_note = serializers.CharField()


class HistoryRow(VerdictRow):
    """What one run said of the claim in one stratum."""

    run = serializers.UUIDField()
    plan = serializers.CharField()
    plan_version = serializers.IntegerField()
    published_at = serializers.DateTimeField()
    verdict_rules = serializers.IntegerField(
        allow_null=True, help_text="Version of the rules that made the verdict."
    )
    power = number("chance that one look of this precision sees the effect of power_for")
    power_for = number("Hedges g: as published, or the plan's smallest effect of interest")
    power_of = serializers.CharField(allow_null=True, help_text="published or smallest")
    changed = serializers.BooleanField(help_text="Another verdict than the plan's run before.")


class ClaimWithVerdicts(ClaimSerializer):
    verdicts = StandingRow(many=True)


class Comings(Fields):
    site = serializers.CharField(allow_null=True)
    n_in = serializers.IntegerField(allow_null=True)
    n_out = serializers.IntegerField(allow_null=True)


class WithoutSite(Fields):
    """What would have been found, had this site sent nothing new (leave one change out)."""

    site = serializers.CharField()
    estimate = number()
    verdict = serializers.CharField(required=False)
    did_it = serializers.BooleanField(help_text="With its earlier data all would be as it was.")


class Flip(Fields):
    claim = serializers.CharField()
    marker = serializers.CharField()
    stratum = serializers.CharField()
    before = serializers.CharField(allow_null=True)
    now = serializers.CharField()
    sites = WithoutSite(many=True)
    words = serializers.CharField(allow_blank=True, help_text="Which site's data did it.")


class MovedEffect(Fields):
    """A pooled Hedges g that moved by the threshold or more."""

    stratum = serializers.CharField()
    feature = serializers.CharField()
    before = serializers.FloatField()
    now = serializers.FloatField()
    sites = WithoutSite(many=True)


class RunChanges(Fields):
    """What is new since the previous published run of the plan."""

    run = serializers.UUIDField()
    previous = serializers.UUIDField(allow_null=True)
    other_changes = serializers.ListField(
        child=serializers.CharField(), help_text="plan, code, verdict_rules: what is no data."
    )
    participants = Comings(many=True)
    verdicts = Flip(many=True)
    threshold = number("move of a pooled g that is told: half the smallest effect of interest")
    effects = MovedEffect(many=True)
