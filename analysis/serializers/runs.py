"""What the API says of runs, and what it takes to start one."""

from __future__ import annotations

from rest_framework import serializers

from analysis.models import LARGEST_PRIORITY, Run
from analysis.serializers.fields import Fields, number
from analysis.services import waiting

# A published run is told as one of the last three.
STANDINGS = [
    *(state for state in Run.State.values if state != Run.State.PUBLISHED),
    *("released", "held", "superseded"),
]


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
        help_text="The state, and of a published run: released, held back, or superseded by a "
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


class Departure(Fields):
    """The newest locked version before the run's, and what the run's changes of it."""

    version = serializers.IntegerField()
    locked_at = serializers.DateTimeField()
    digest = serializers.CharField()
    settings = serializers.ListField(
        child=serializers.CharField(), help_text="That differ; none where it is the same again."
    )
    words = serializers.CharField()


class RunSerializer(RunStatusSerializer):
    """What a run is, without its results."""

    preregistered = Registration(required=False, allow_null=True)
    departure = Departure(required=False, allow_null=True)
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
