"""What the API says of plans, claims and verdicts."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from analysis.models import Plan
from analysis.serializers.fields import Fields, number
from analysis.services import plan_locks


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


class LatestQuery(Fields):
    plan = serializers.SlugField(max_length=50)


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
