"""What the API says of the laboratory's work, and what it takes to record it."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from cohorts.models import (
    Box,
    CustodyEvent,
    Destruction,
    Receipt,
    Sample,
    Shipment,
    ShippedTube,
)
from cohorts.models.shipment import TemperatureReading
from cohorts.sprec import LETTERS_OF


class BoxSerializer(serializers.ModelSerializer[Box]):
    site = serializers.CharField(source="site.code", read_only=True)

    class Meta:
        model = Box
        fields = ["id", "site", "code", "place", "n_rows", "n_columns"]


class NewBoxSerializer(serializers.Serializer[Any]):
    site = serializers.CharField(max_length=12)
    code = serializers.CharField(max_length=40)
    place = serializers.CharField(max_length=80, required=False, default="", allow_blank=True)
    n_rows = serializers.IntegerField(default=9, min_value=1, max_value=50)
    n_columns = serializers.IntegerField(default=9, min_value=1, max_value=50)


class CustodySerializer(serializers.ModelSerializer[CustodyEvent]):
    by = serializers.CharField(source="by.username", default=None, read_only=True, allow_null=True)

    class Meta:
        model = CustodyEvent
        fields = ["number", "kind", "at", "by", "note"]


class HandlingFlagSerializer(serializers.Serializer[Any]):
    code = serializers.CharField()
    reason = serializers.CharField()


class HandlingSerializer(serializers.Serializer[Any]):
    """SPREC's code, departures from good handling, and what was not recorded."""

    sprec = serializers.CharField(source="judgement.sprec", help_text="SPREC 2.0, seven elements.")
    sprec_delay = serializers.CharField(source="judgement.sprec_delay")
    flags = HandlingFlagSerializer(source="judgement.flags", many=True)
    gaps = serializers.ListField(child=serializers.CharField(), source="judgement.gaps")
    arginine_ratio = serializers.FloatField(source="ratio", allow_null=True)
    separation = serializers.CharField(source="ratio_word", help_text="prompt, suspect or unknown")
    custody = CustodySerializer(many=True)


class DivideSerializer(serializers.Serializer[Any]):
    """An aliquot or a derivative (with its own material)."""

    code = serializers.CharField(max_length=64)
    volume_ul = serializers.DecimalField(max_digits=10, decimal_places=2)
    material = serializers.CharField(max_length=40, required=False, default="")
    yields_ul = serializers.DecimalField(
        max_digits=10,
        decimal_places=2,
        required=False,
        default=None,
        allow_null=True,
        help_text="What a derivative holds, where that is not the volume taken.",
    )


class ProcessSerializer(serializers.Serializer[Any]):
    """Letters of SPREC 2.0; what is left out stays as it is."""

    centrifugation = serializers.ChoiceField(
        choices=Sample.Spin.choices, required=False, default=""
    )
    second_centrifugation = serializers.ChoiceField(
        choices=Sample.Spin.choices, required=False, default=""
    )
    storage = serializers.ChoiceField(choices=Sample.Storage.choices, required=False, default="")
    reason = serializers.CharField(
        max_length=150,
        required=False,
        default="",
        allow_blank=True,
        help_text="Needed where a letter that stands is corrected.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Something is told."""
        if not any(attrs[name] for name in LETTERS_OF):
            raise serializers.ValidationError(
                gettext("Name a centrifugation or the storage: nothing of it is told.")
            )
        return attrs


class VolumeSerializer(serializers.Serializer[Any]):
    volume_ul = serializers.DecimalField(max_digits=10, decimal_places=2)
    reason = serializers.CharField(
        max_length=150,
        required=False,
        default="",
        allow_blank=True,
        help_text="Needed where a volume that stands is corrected.",
    )


class MoveSerializer(serializers.Serializer[Any]):
    box = serializers.CharField(max_length=40)
    row = serializers.IntegerField()
    column = serializers.IntegerField()


class TubeSerializer(serializers.ModelSerializer[ShippedTube]):
    """Codes and materials only: nothing of a participant travels with a tube."""

    sample = serializers.CharField(source="sample.code", read_only=True)
    sample_id = serializers.IntegerField(read_only=True, help_text="Of /samples, where it lies.")
    material = serializers.CharField(source="sample.material", read_only=True)

    class Meta:
        model = ShippedTube
        fields = ["sample", "sample_id", "material", "condition"]


class TemperatureSerializer(serializers.ModelSerializer[TemperatureReading]):
    class Meta:
        model = TemperatureReading
        fields = ["at", "celsius"]


class ReceiptSerializer(serializers.ModelSerializer[Receipt]):
    received_by = serializers.CharField(
        source="received_by.username", default=None, read_only=True, allow_null=True
    )

    class Meta:
        model = Receipt
        fields = ["received_at", "received_by", "unexpected", "note"]


class ShipmentSerializer(serializers.ModelSerializer[Shipment]):
    from_site = serializers.CharField(source="from_site.code", read_only=True)
    to_site = serializers.CharField(source="to_site.code", read_only=True)
    sent_by = serializers.CharField(
        source="sent_by.username", default=None, read_only=True, allow_null=True
    )
    tubes = TubeSerializer(many=True, read_only=True)
    temperatures = TemperatureSerializer(many=True, read_only=True)
    receipt = serializers.SerializerMethodField(help_text="The receiver's record; null until then.")

    class Meta:
        model = Shipment
        fields = [
            "id",
            "from_site",
            "to_site",
            "courier",
            "reference",
            "most_celsius",
            "sent_at",
            "sent_by",
            "tubes",
            "temperatures",
            "receipt",
        ]

    @extend_schema_field(ReceiptSerializer(allow_null=True))
    def get_receipt(self, shipment: Shipment) -> dict[str, Any] | None:
        found = getattr(shipment, "receipt", None)
        return None if found is None else dict(ReceiptSerializer(found).data)


class NewShipmentSerializer(serializers.Serializer[Any]):
    from_site = serializers.CharField(max_length=12)
    to_site = serializers.CharField(max_length=12)
    samples = serializers.ListField(child=serializers.CharField(max_length=64), max_length=2000)
    courier = serializers.CharField(max_length=80)
    reference = serializers.CharField(max_length=80, required=False, default="", allow_blank=True)
    most_celsius = serializers.FloatField(required=False, default=-60.0)
    sent_at = serializers.DateTimeField()


class ArrivedSerializer(serializers.Serializer[Any]):
    sample = serializers.CharField(max_length=64)
    condition = serializers.CharField(max_length=8)


class NewReceiptSerializer(serializers.Serializer[Any]):
    """What arrived, as it was unpacked; a tube of the manifest that is not named is missing."""

    received_at = serializers.DateTimeField()
    tubes = ArrivedSerializer(many=True)
    temperatures = TemperatureSerializer(many=True, required=False, default=list)
    note = serializers.CharField(max_length=300, required=False, default="", allow_blank=True)


class LateArrivalSerializer(serializers.Serializer[Any]):
    """What turned up after the receipt, and where it was."""

    arrived_at = serializers.DateTimeField()
    tubes = ArrivedSerializer(many=True, required=False, default=list)
    temperatures = TemperatureSerializer(many=True, required=False, default=list)
    note = serializers.CharField(max_length=300)


class DestructionSerializer(serializers.ModelSerializer[Destruction]):
    site = serializers.CharField(source="site.code", read_only=True)
    held_at = serializers.CharField(
        source="held_at.code", default=None, read_only=True, allow_null=True
    )
    state = serializers.CharField(read_only=True)
    recorded_by = serializers.CharField(
        source="recorded_by.username", default=None, read_only=True, allow_null=True
    )
    witness = serializers.CharField(
        source="witness.username", default=None, read_only=True, allow_null=True
    )
    approved_by = serializers.CharField(
        source="approved_by.username", default=None, read_only=True, allow_null=True
    )

    class Meta:
        model = Destruction
        fields = [
            "id",
            "site",
            "held_at",
            "tube",
            "place",
            "cause",
            "state",
            "ordered_at",
            "destroyed_at",
            "method",
            "witness",
            "recorded_by",
            "recorded_at",
            "approved_by",
            "approved_at",
        ]


class DestroyedSerializer(serializers.Serializer[Any]):
    destroyed_at = serializers.DateTimeField()
    method = serializers.CharField(max_length=120, help_text="How and where.")
    witness = serializers.CharField(max_length=150, help_text="The user name of who saw it.")
