"""What the API says of each record, field by field; a field that is not named here is not told."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from cohorts import access
from cohorts.models import (
    AssayBatch,
    Assessment,
    Change,
    Consent,
    Feature,
    Participant,
    Sample,
    Site,
    Withdrawal,
)
from cohorts.models.consent import SCOPES

TEXTS = serializers.ListField(child=serializers.CharField())


# Told as null where there is none.
OR_NULL: dict[str, Any] = {"default": None, "read_only": True, "allow_null": True}


class SiteSerializer(serializers.ModelSerializer[Site]):
    study = serializers.CharField(source="study.code", read_only=True)

    class Meta:
        model = Site
        fields = [
            "code",
            "name",
            "study",
            "country",
            "time_zone",
            "languages",
            "ethics_approval",
            "ethics_expires_on",
        ]


class EnrolledMonthSerializer(serializers.Serializer[Any]):
    month = serializers.DateField(help_text="The first day of the month.")
    new = serializers.IntegerField()
    total = serializers.IntegerField(help_text="By the end of the month.")
    planned = serializers.IntegerField(
        allow_null=True, help_text="By an even pace towards the target; null without one."
    )


class EnrolmentSerializer(serializers.Serializer[Any]):
    n = serializers.IntegerField(help_text="Participants today; a person's second record is none.")
    target = serializers.IntegerField(allow_null=True)
    target_from = serializers.DateField(allow_null=True)
    target_until = serializers.DateField(allow_null=True)
    due = serializers.IntegerField(
        allow_null=True, help_text="How many an even pace would have brought by today."
    )
    months = EnrolledMonthSerializer(
        many=True, source="by_month", help_text="Months with somebody new, the newest first."
    )


class ParticipantSerializer(serializers.ModelSerializer[Participant]):
    site = serializers.CharField(source="site.code", read_only=True)

    class Meta:
        model = Participant
        fields = [
            "id",
            "site",
            "code",
            "sex",
            "group",
            "enrolled_on",
            "birth_year",
            "age_years",
            "drug_free",
            "washout_on",
            "variables",
            "version",
        ]


class OfParticipant(serializers.Serializer[Any]):
    """The site and the code of the participant whom a record concerns."""

    site = serializers.CharField(source="participant.site.code", read_only=True)
    participant = serializers.CharField(source="participant.code", read_only=True)


class ConsentSerializer(OfParticipant, serializers.ModelSerializer[Consent]):
    form_version = serializers.CharField(source="form.version", **OR_NULL)
    duo = serializers.SerializerMethodField(help_text="Terms of the GA4GH Data Use Ontology.")

    class Meta:
        model = Consent
        fields = [
            "id",
            "site",
            "participant",
            "form_version",
            "signed_on",
            "scopes",
            "duo",
            "basis",
            "recorded_at",
            "version",
        ]

    @extend_schema_field(TEXTS)
    def get_duo(self, consent: Consent) -> list[str]:
        return [term for scope in consent.scopes if (term := SCOPES.get(scope))]


class WithdrawalSerializer(OfParticipant, serializers.ModelSerializer[Withdrawal]):
    meaning = serializers.CharField(source="get_level_display", read_only=True)
    effective_on = serializers.DateField(
        source="told_on", read_only=True, help_text="The day at the site; in force at once."
    )

    class Meta:
        model = Withdrawal
        fields = [
            "id",
            "site",
            "participant",
            "level",
            "meaning",
            "effective_on",
            "recorded_at",
            "note",
        ]


class NewWithdrawalSerializer(serializers.Serializer[Any]):
    """A withdrawal to record, in force at once."""

    site = serializers.CharField(max_length=12)
    participant = serializers.CharField(max_length=64, help_text="The participant's code.")
    level = serializers.IntegerField(
        min_value=1,
        max_value=4,
        help_text="1 no contact, 2 no further data, 3 no further use, 4 erase.",
    )
    note = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")
    destroy_samples = serializers.BooleanField(
        required=False, default=False, help_text="From level 3 on: the tubes, if that is asked."
    )


class SampleSerializer(serializers.ModelSerializer[Sample]):
    """Of the participant the code only: who works in a laboratory stays blind.

    Of a tube of another site that lies here not even that.
    """

    site = serializers.CharField(source="site.code", read_only=True)
    participant = serializers.CharField(source="participant.code", **OR_NULL)
    visit = serializers.CharField(source="visit.label", **OR_NULL)
    parent = serializers.CharField(  # type: ignore[assignment]  # DRF has an attribute so named
        source="parent.code", default=None, read_only=True, allow_null=True
    )
    spin_delay_hours = serializers.FloatField(read_only=True, allow_null=True)
    place = serializers.CharField(read_only=True, help_text="Box, row and column.")
    held_at = serializers.CharField(source="held_at.code", **OR_NULL)

    class Meta:
        model = Sample
        fields = [
            "id",
            "site",
            "code",
            "participant",
            "visit",
            "parent",
            "material",
            "tube",
            "collected_at",
            "spun_at",
            "frozen_at",
            "spin_delay_hours",
            "fasting_hours",
            "temperature",
            "centrifugation",
            "second_centrifugation",
            "storage",
            "haemolysis_index",
            "light_protected",
            "freeze_thaws",
            "volume_ul",
            "place",
            "held_at",
            "status",
        ]

    def to_representation(self, sample: Sample) -> dict[str, Any]:
        told: dict[str, Any] = super().to_representation(sample)
        if sample.is_away and not sample.known_to(self.context["request"].user):
            told |= {"participant": None, "visit": None}
        return told


class AssessmentSerializer(OfParticipant, serializers.ModelSerializer[Assessment]):
    instrument = serializers.CharField(source="instrument.code", read_only=True)
    version = serializers.CharField(source="instrument.version", read_only=True)
    visit = serializers.CharField(source="visit.label", **OR_NULL)

    cut_off = serializers.FloatField(
        read_only=True, allow_null=True, help_text="Of the language that was answered in."
    )

    class Meta:
        model = Assessment
        fields = [
            "id",
            "site",
            "participant",
            "visit",
            "instrument",
            "version",
            "language",
            "assessed_on",
            "items",
            "sent_total",
            "score",
            "cut_off",
            "scoring_version",
            "variables",
        ]


class FeatureSerializer(serializers.ModelSerializer[Feature]):
    aliases = serializers.SerializerMethodField(help_text="Names that every site may send.")
    merged_into = serializers.CharField(
        source="merged_into.name",
        default=None,
        allow_null=True,
        read_only=True,
        help_text="What it is one with.",
    )

    class Meta:
        model = Feature
        fields = [
            *("id", "name", "aliases", "refmet_name", "hmdb", "chebi", "inchikey", "molar_mass"),
            *("canonical_unit", "chemical_class", "kind", "identity", "reviewed"),
            *("ignored", "merged_into"),
        ]

    @extend_schema_field(TEXTS)
    def get_aliases(self, feature: Feature) -> list[str]:
        # A site's own names stay with that site.
        return [alias.name for alias in feature.aliases.all() if alias.site_id is None]


class AssayBatchSerializer(serializers.ModelSerializer[AssayBatch]):
    site = serializers.CharField(source="site.code", read_only=True)
    features = serializers.SerializerMethodField(help_text="Canonical names, in column order.")
    n_rows = serializers.IntegerField(read_only=True)

    class Meta:
        model = AssayBatch
        fields = [
            *("id", "site", "upload", "label", "platform", "matrix", "scale", "run_date"),
            *("status", "void_reason", "version", "replaces", "n_rows", "features"),
        ]

    @extend_schema_field(TEXTS)
    def get_features(self, batch: AssayBatch) -> list[str]:
        return [column.feature.name for column in batch.columns.all()]


class ChangeSerializer(serializers.ModelSerializer[Change]):
    """Where the caller reads no participants, counts are rounded and a few people have no site.

    ``context["people"]`` is the caller's reach over participants.
    """

    site = serializers.CharField(source="site.code", default=None, read_only=True, allow_null=True)

    class Meta:
        model = Change
        fields = ["id", "site", "kind", "counts", "cause", "recorded_at"]

    def to_representation(self, change: Change) -> dict[str, Any]:
        told = super().to_representation(change)
        people: access.Reach = self.context["people"]
        if people.everywhere or (change.site_id is not None and people.covers(change.site_id)):
            return told
        counts = {name: _rounded(n) for name, n in change.counts.items()}
        few = None in counts.values()
        return told | {"counts": counts, "cause": "", "site": None if few else told["site"]}


def _rounded(n: int) -> int | None:
    """A count for those who see no people: to the nearest 5, nothing below the smallest cell."""
    return 5 * round(n / 5) if n >= settings.DISCLOSURE_K else None
