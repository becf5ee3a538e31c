"""The laboratory over HTTP: tubes, boxes, shipments, destructions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import exceptions, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from cohorts import access, models
from cohorts.api.base import PROBLEM, RecordViewSet, fields_sent, location_of
from cohorts.api.filters import BySite, FilterSet
from cohorts.api.records import SampleViewSet
from cohorts.errors import RefusedHandling
from cohorts.requests import user_of
from cohorts.serializers import records as serializers
from cohorts.serializers import samples as serializers_samples
from cohorts.services.samples import boxes, custody, destruction, handling, shipping

ONE_SAMPLE = {200: serializers.SampleSerializer, 409: PROBLEM}
ONE_SHIPMENT = {200: serializers_samples.ShipmentSerializer, 409: PROBLEM}
ONE_DESTRUCTION = {200: serializers_samples.DestructionSerializer, 409: PROBLEM}


class TubeViewSet(SampleViewSet):
    """Samples, how each was handled, and what a laboratory does with them."""

    related: ClassVar[Sequence[str]] = (
        *("site", "participant", "visit", "parent", "box", "held_at"),
    )
    verbs = {
        **RecordViewSet.verbs,
        "handling": "R",
        "divide": "C",
        "thaw": "U",
        "measure": "U",
        "process": "U",
        "move": "U",
    }

    def get_queryset(self) -> QuerySet[models.Sample]:
        """A list is of a site's own; one tube may also be another site's that lies here."""
        rows: QuerySet[models.Sample] = super().get_queryset()
        if not self.detail or getattr(self, "swagger_fake_view", False):
            return rows
        return models.Sample.objects.at_hand(self.request.user).select_related(*self.related)

    @extend_schema(responses=serializers_samples.HandlingSerializer)
    @action(detail=True)
    def handling(self, request: Request, pk: str) -> Response:
        """SPREC letter, flags, gaps, the arginine ratio once measured, and the custody steps."""
        sample = self.get_object()
        found = handling.handling_of(sample)
        ratio = found.ratio if access.may(request.user, "assay", "R", sample.site_id) else None
        seen = handling.SampleHandling(found.judgement, ratio)
        seen_with_steps = {
            "judgement": seen.judgement,
            "ratio": seen.ratio,
            "ratio_word": seen.ratio_word,
            "custody": sample.custody.select_related("by"),
        }
        told = serializers_samples.HandlingSerializer(seen_with_steps).data
        return Response(told, headers={"ETag": self.etag(told)})

    @extend_schema(
        request=serializers_samples.DivideSerializer,
        responses={201: serializers.SampleSerializer, 409: PROBLEM},
    )
    @action(detail=True, methods=["post"])
    def divide(self, request: Request, pk: str) -> Response:
        """Take a volume out of this tube into a new one."""
        sample = self.get_object()
        said = fields_sent(serializers_samples.DivideSerializer, request)
        child = custody.divide(sample.pk, by=user_of(request), **said)
        return Response(self.get_serializer(child).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=None, responses=ONE_SAMPLE)
    @action(detail=True, methods=["post"])
    def thaw(self, request: Request, pk: str) -> Response:
        """Record one more freeze-thaw."""
        custody.thaw(self.get_object().pk, by=user_of(request))
        return Response(self.get_serializer(self.get_object()).data)

    @extend_schema(request=serializers_samples.VolumeSerializer, responses=ONE_SAMPLE)
    @action(detail=True, methods=["post"])
    def measure(self, request: Request, pk: str) -> Response:
        """Record what the tube holds; one that stands is corrected with the reason."""
        sample = self.get_object()
        said = fields_sent(serializers_samples.VolumeSerializer, request)
        custody.measure(sample.pk, by=user_of(request), **said)
        return Response(self.get_serializer(self.get_object()).data)

    @extend_schema(request=serializers_samples.ProcessSerializer, responses=ONE_SAMPLE)
    @action(detail=True, methods=["post"])
    def process(self, request: Request, pk: str) -> Response:
        """Record how the tube was spun and is stored; a letter that stands needs the reason."""
        sample = self.get_object()
        said = fields_sent(serializers_samples.ProcessSerializer, request)
        custody.process(sample.pk, said, reason=said["reason"], by=user_of(request))
        return Response(self.get_serializer(self.get_object()).data)

    @extend_schema(request=serializers_samples.MoveSerializer, responses=ONE_SAMPLE)
    @action(detail=True, methods=["post"])
    def move(self, request: Request, pk: str) -> Response:
        """Put the tube into a place of a box."""
        sample = self.get_object()
        said = fields_sent(serializers_samples.MoveSerializer, request)
        boxes.move(
            sample.pk,
            box_code=said["box"],
            row=said["row"],
            column=said["column"],
            by=user_of(request),
        )
        return Response(self.get_serializer(self.get_object()).data)


class ShipmentFilter(FilterSet):
    from_site = filters.CharFilter(field_name="from_site__code")
    to_site = filters.CharFilter(field_name="to_site__code")
    on_the_way = filters.BooleanFilter(field_name="receipt", lookup_expr="isnull")


class ShipmentViewSet(RecordViewSet):
    """Shipments between two sites: read, sent and received at both ends."""

    queryset = models.Shipment.objects.none()
    serializer_class = serializers_samples.ShipmentSerializer
    filterset_class = ShipmentFilter
    page_ordering = ("-pk",)
    page_rows = 25
    related = ("from_site", "to_site", "sent_by", "receipt__received_by")
    prefetched = ("tubes__sample", "temperatures")
    verbs = {**RecordViewSet.verbs, "create": "C", "receive": "C", "complete": "C"}

    def also_rests_on(self) -> list[object]:
        """A receipt is a row of its own: its number tells that one was added."""
        seen = models.Receipt.objects.visible_to(self.request.user)
        # What turns up later is a step of a tube, or a reading.
        later = (models.CustodyEvent.objects.all(), models.TemperatureReading.objects.all())
        return [
            rows.order_by("-pk").values_list("pk", flat=True).first() for rows in (seen, *later)
        ]

    @extend_schema(
        request=serializers_samples.NewShipmentSerializer,
        responses={201: serializers_samples.ShipmentSerializer, 409: PROBLEM},
    )
    def create(self, request: Request) -> Response:
        """Send tubes of your site: all of the manifest, or nothing."""
        said = fields_sent(serializers_samples.NewShipmentSerializer, request)
        sites = models.Site.objects.all()
        own = sites.visible_to(request.user).filter(code=said.pop("from_site")).first()
        to_code = said.pop("to_site")
        if own is None:
            raise exceptions.NotFound
        other = sites.filter(code=to_code, study=own.study_id).first()
        if other is None:
            raise RefusedHandling(f"The study has no site {to_code!r}: check its code.")
        made = shipping.send(own, other, said.pop("samples"), by=user_of(request), **said)
        headers = location_of(request, made.pk)
        told = self.get_serializer(made).data
        return Response(told, status=status.HTTP_201_CREATED, headers=headers)

    @extend_schema(request=serializers_samples.NewReceiptSerializer, responses=ONE_SHIPMENT)
    @action(detail=True, methods=["post"])
    def receive(self, request: Request, pk: str) -> Response:
        """Say what arrived; what differs from the manifest becomes a data query."""
        shipment = self.get_object()
        said = fields_sent(serializers_samples.NewReceiptSerializer, request)
        shipping.receive(
            shipment.pk,
            {tube["sample"]: tube["condition"] for tube in said["tubes"]},
            received_at=said["received_at"],
            temperatures=[(line["at"], line["celsius"]) for line in said["temperatures"]],
            note=said["note"],
            by=user_of(request),
        )
        return Response(self.get_serializer(self.get_object()).data)

    @extend_schema(request=serializers_samples.LateArrivalSerializer, responses=ONE_SHIPMENT)
    @action(detail=True, methods=["post"])
    def complete(self, request: Request, pk: str) -> Response:
        """Say what turned up after the receipt: missing tubes, or the courier's log."""
        shipment = self.get_object()
        said = fields_sent(serializers_samples.LateArrivalSerializer, request)
        shipping.complete(
            shipment.pk,
            {tube["sample"]: tube["condition"] for tube in said["tubes"]},
            arrived_at=said["arrived_at"],
            temperatures=[(line["at"], line["celsius"]) for line in said["temperatures"]],
            note=said["note"],
            by=user_of(request),
        )
        return Response(self.get_serializer(self.get_object()).data)


class DestructionFilter(BySite):
    to_do = filters.BooleanFilter(field_name="approved_at", lookup_expr="isnull")


class DestructionViewSet(RecordViewSet):
    """Tubes to destroy, and the record of those that were."""

    queryset = models.Destruction.objects.none()
    serializer_class = serializers_samples.DestructionSerializer
    filterset_class = DestructionFilter
    page_ordering = ("-pk",)
    related = ("site", "held_at", "recorded_by", "witness", "approved_by")
    verbs = {**RecordViewSet.verbs, "record": "C", "approve": "A"}

    @extend_schema(request=serializers_samples.DestroyedSerializer, responses=ONE_DESTRUCTION)
    @action(detail=True, methods=["post"])
    def record(self, request: Request, pk: str) -> Response:
        """The laboratory's record: when, how and where, and who saw it."""
        order = self.get_object()
        said = fields_sent(serializers_samples.DestroyedSerializer, request)
        witness = models.User.objects.filter(username=said["witness"]).first()
        if witness is None:
            raise RefusedHandling(f"Nobody is called {said['witness']!r}: write a user name.")
        destruction.record(
            order.pk,
            at=said["destroyed_at"],
            method=said["method"],
            witness=witness,
            by=user_of(request),
        )
        return Response(self.get_serializer(self.get_object()).data)

    @extend_schema(request=None, responses=ONE_DESTRUCTION)
    @action(detail=True, methods=["post"])
    def approve(self, request: Request, pk: str) -> Response:
        """The data manager's yes to what somebody else recorded."""
        destruction.approve(self.get_object().pk, by=user_of(request))
        return Response(self.get_serializer(self.get_object()).data)


class BoxViewSet(RecordViewSet):
    """Boxes of a site's freezers."""

    queryset = models.Box.objects.none()
    serializer_class = serializers_samples.BoxSerializer
    filterset_class = BySite
    related = ("site",)
    verbs = {**RecordViewSet.verbs, "create": "C"}

    @extend_schema(
        request=serializers_samples.NewBoxSerializer,
        examples=[
            OpenApiExample("A box", value={"site": "FUK", "code": "BOX-7"}, request_only=True)
        ],
        responses={201: serializers_samples.BoxSerializer},
    )
    def create(self, request: Request) -> Response:
        """Add a box to your site."""
        said = fields_sent(serializers_samples.NewBoxSerializer, request)
        site = models.Site.objects.visible_to(request.user).filter(code=said.pop("site")).first()
        if site is None:
            raise exceptions.NotFound
        made = boxes.add_box(site, by=user_of(request), **said)
        headers = location_of(request, made.pk)
        told = self.get_serializer(made).data
        return Response(told, status=status.HTTP_201_CREATED, headers=headers)
