"""The records over HTTP: each method parses, calls one service, renders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django.db.models import Count, QuerySet
from django.http import HttpResponseBase
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from cohorts import access, clock, models, site_home
from cohorts.api import conditional
from cohorts.api.base import PROBLEM, RecordViewSet, fields_sent, location_of, person_named
from cohorts.api.filters import ByParticipant, BySite, FilterSet
from cohorts.errors import NotAllowed
from cohorts.serializers import records as serializers
from cohorts.services import consent
from cohorts.services.erasing import erasure


class SiteViewSet(RecordViewSet):
    """Sites that you can see."""

    queryset = models.Site.objects.none()
    serializer_class = serializers.SiteSerializer
    lookup_field = "code"
    related = ("study",)
    filterset_fields = ("country",)
    verbs = {**RecordViewSet.verbs, "enrolment": "R"}

    def resource_of(self, action: str) -> str:
        # It counts people, of whom not everybody who sees a site may know.
        return "participant" if action == "enrolment" else super().resource_of(action)

    @extend_schema(responses={200: serializers.EnrolmentSerializer})
    @action(detail=True, methods=["get"])
    def enrolment(self, request: Request, code: str) -> HttpResponseBase:
        """Enrolment by month against the target: what the drawing of the site's home shows."""
        site = self.get_object()
        if not access.may(request.user, "participant", "R", site.pk):
            raise NotAllowed("Your role does not cover this.")
        found = site_home.enrolment_of(site, clock.today_at(site))
        told = serializers.EnrolmentSerializer(found).data
        etag = self.etag(told)
        if conditional.not_modified(request, etag):
            return conditional.unchanged(etag)
        return Response(told, headers={"ETag": etag})


class ParticipantFilter(BySite):
    group = filters.CharFilter()
    sex = filters.ChoiceFilter(choices=models.Participant.Sex.choices)
    code = filters.CharFilter()
    enrolled_since = filters.DateFilter(field_name="enrolled_on", lookup_expr="gte")


class ParticipantViewSet(RecordViewSet):
    """Participants, by study code."""

    queryset = models.Participant.objects.none()
    serializer_class = serializers.ParticipantSerializer
    filterset_class = ParticipantFilter
    related = ("site",)


class ConsentFilter(ByParticipant):
    signed_since = filters.DateFilter(field_name="signed_on", lookup_expr="gte")


class ConsentViewSet(RecordViewSet):
    """What participants agreed to."""

    queryset = models.Consent.objects.none()
    serializer_class = serializers.ConsentSerializer
    filterset_class = ConsentFilter
    related = ("participant__site", "form")


class WithdrawalFilter(ByParticipant):
    level = filters.NumberFilter()
    since = filters.IsoDateTimeFilter(field_name="recorded_at", lookup_expr="gte")


class WithdrawalViewSet(RecordViewSet):
    """What participants took back."""

    queryset = models.Withdrawal.objects.none()
    serializer_class = serializers.WithdrawalSerializer
    filterset_class = WithdrawalFilter
    related = ("participant__site",)
    verbs = {**RecordViewSet.verbs, "create": "C"}

    @extend_schema(
        request=serializers.NewWithdrawalSerializer,
        examples=[
            OpenApiExample(
                "No further data",
                value={"site": "FUK", "participant": "FUK-0001", "level": 2},
                request_only=True,
            )
        ],
        responses={201: serializers.WithdrawalSerializer, 409: PROBLEM},
    )
    def create(self, request: Request) -> Response:
        """Record a withdrawal, in force at once; from level 3 on no run reads the participant."""
        sent = fields_sent(serializers.NewWithdrawalSerializer, request)
        person = person_named(request, sent["site"], sent["participant"])
        if not access.may(request.user, "withdrawal", "C", person.site_id):
            raise NotAllowed(f"Your role at {sent['site']} does not record withdrawals.")
        wish = {"by": request.user, "note": sent["note"]}
        if sent["level"] == models.Withdrawal.Level.ERASE:
            erasure.request(person.pk, **wish)
            recorded = person.withdrawals.latest("pk")
        else:
            wish["destroy_samples"] = sent["destroy_samples"]
            recorded = consent.withdraw(person.pk, level=sent["level"], **wish)
        told = self.get_serializer(recorded).data
        return Response(
            told, status=status.HTTP_201_CREATED, headers=location_of(request, recorded.pk)
        )


class ErasureFilter(BySite):
    open = filters.BooleanFilter(method="only_open", label="Neither stopped nor carried out.")

    def only_open(self, rows: QuerySet[Any], name: str, value: bool) -> QuerySet[Any]:
        still = models.Erasure.objects.open()
        return rows.filter(pk__in=still) if value else rows.exclude(pk__in=still)


class SampleFilter(BySite):
    participant = filters.CharFilter(field_name="participant__code")
    code = filters.CharFilter()
    material = filters.CharFilter()
    status = filters.ChoiceFilter(choices=models.Sample.Status.choices)
    collected_since = filters.IsoDateTimeFilter(field_name="collected_at", lookup_expr="gte")


class SampleViewSet(RecordViewSet):
    """Samples and how each was handled."""

    queryset = models.Sample.objects.none()
    serializer_class = serializers.SampleSerializer
    filterset_class = SampleFilter
    related: ClassVar[Sequence[str]] = ("site", "participant", "visit", "parent")


class AssessmentFilter(ByParticipant):
    instrument = filters.CharFilter(field_name="instrument__code")
    since = filters.DateFilter(field_name="assessed_on", lookup_expr="gte")


class AssessmentViewSet(RecordViewSet):
    """Answers to questionnaires, with their derived scores."""

    queryset = models.Assessment.objects.none()
    serializer_class = serializers.AssessmentSerializer
    filterset_class = AssessmentFilter
    related = ("participant__site", "instrument", "visit")


class FeatureFilter(FilterSet):
    name = filters.CharFilter(lookup_expr="iexact")
    hmdb = filters.CharFilter()
    chemical_class = filters.CharFilter()
    reviewed = filters.BooleanFilter()


class FeatureViewSet(RecordViewSet):
    """The dictionary of what is measured."""

    queryset = models.Feature.objects.none()
    serializer_class = serializers.FeatureSerializer
    filterset_class = FeatureFilter
    related = ("merged_into",)
    prefetched = ("aliases",)

    def also_rests_on(self) -> list[object]:
        everybodys = models.FeatureAlias.objects.visible_to(self.request.user).filter(site=None)
        return conditional.version_of(everybodys)


class AssayBatchFilter(BySite):
    platform = filters.CharFilter()
    matrix = filters.CharFilter()
    status = filters.ChoiceFilter(choices=models.AssayBatch.Status.choices)


class AssayBatchViewSet(RecordViewSet):
    """What was measured together: one run of a platform at a site."""

    queryset = models.AssayBatch.objects.none()
    serializer_class = serializers.AssayBatchSerializer
    filterset_class = AssayBatchFilter
    page_rows = 25  # each names its columns
    related = ("site",)
    prefetched = ("columns__feature",)

    def get_queryset(self) -> QuerySet[Any]:
        found: QuerySet[Any] = super().get_queryset().annotate(n_rows=Count("rows"))
        return found


class ChangeFilter(FilterSet):
    site = filters.CharFilter(field_name="site__code")
    kind = filters.CharFilter()
    after = filters.NumberFilter(field_name="pk", lookup_expr="gt", label="Changes after this id.")
    since = filters.IsoDateTimeFilter(field_name="recorded_at", lookup_expr="gte")


class ChangeViewSet(RecordViewSet):
    """What arrived, in the order in which it did."""

    queryset = models.Change.objects.none()
    serializer_class = serializers.ChangeSerializer
    filterset_class = ChangeFilter
    related = ("site",)

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """A small count has no site for those who see no people; a filter would give it back."""
        found = super().filter_queryset(queryset)
        where = access.reach(self.request.user, "participant")
        if "site" not in self.request.query_params or where.everywhere:
            return found
        return found.filter(site__in=where.site_ids)

    def get_serializer_context(self) -> dict[str, Any]:
        if getattr(self, "swagger_fake_view", False):
            return {**super().get_serializer_context()}
        people = access.reach(self.request.user, "participant")
        return {**super().get_serializer_context(), "people": people}
