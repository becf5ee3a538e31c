"""Participants over HTTP: read, corrected with a reason, and what stood there before."""

from __future__ import annotations

from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from cohorts import models
from cohorts.api import preconditions
from cohorts.api.base import PROBLEM, RecordViewSet, fields_sent, location_of, person_named
from cohorts.api.filters import BySite
from cohorts.api.records import ParticipantViewSet
from cohorts.requests import user_of
from cohorts.serializers import people as serializers_people
from cohorts.serializers import records as serializers
from cohorts.serializers.values import MeasuredSerializer
from cohorts.services import enrolment, identity, transfers, visits
from cohorts.services.audit import history
from cohorts.services.batches import measured


class PeopleViewSet(ParticipantViewSet):
    """Participants, by study code."""

    verbs = {**ParticipantViewSet.verbs, "correct": "U", "history": "R"}
    verbs |= {"merge": "U", "same_person": "C", "visits": "R", "interviews": "R"}
    verbs |= {"new_visit": "C", "new_interview": "C"}
    conditional_actions = ("correct",)
    verbs |= {"values": "R"}
    resources = dict.fromkeys(("interviews", "new_visit", "new_interview"), "assessment")
    resources |= {"values": "row_values"}

    def resource_of(self, action: str) -> str:
        known = {"same_person": "same_person", **self.resources}
        return known.get(action) or super().resource_of(action)

    def record_etag(self, row: models.Participant) -> str:
        return preconditions.etag_of_version(super().record_etag(row), row.version)

    @extend_schema(
        request=serializers_people.CorrectionSerializer,
        examples=[
            OpenApiExample(
                "A birth year",
                value={"version": 1, "reason": "typed twice", "changes": {"birth_year": 1991}},
                request_only=True,
            )
        ],
        responses={200: serializers.ParticipantSerializer, 409: PROBLEM},
    )
    @action(detail=True, methods=["post"])
    def correct(self, request: Request, pk: str) -> Response:
        """Correct a participant: a new version, with the reason; the earlier values are kept.

        Say which state you have seen: its ETag as If-Match, or `version`.
        """
        person = self.get_object()
        said = serializers_people.CorrectionSerializer(data=request.data)
        said.is_valid(raise_exception=True)
        # What the form does not know is refused by the service in words, not passed over.
        changes = {**said.initial_data["changes"], **said.validated_data["changes"]}
        sent = said.validated_data
        # The service looks once more, under its lock.
        seen = preconditions.version_seen(request, sent.get("version"), person.version)
        with preconditions.told_as_named(request):
            done = enrolment.correct(
                person.pk, changes, reason=sent["reason"], by=user_of(request), version=seen
            )
        return Response(self.get_serializer(done).data)

    @extend_schema(responses={200: serializers_people.PastSerializer(many=True)})
    @action(detail=True, methods=["get"], pagination_class=None, filterset_class=None)
    def history(self, request: Request, pk: str) -> Response:
        """What was recorded of a participant at each time, by whom and why."""
        past = history.past_of(self.get_object())
        told = serializers_people.PastSerializer(past, many=True).data
        return Response(told, headers={"ETag": self._version([len(told), *told[:1]])})

    @extend_schema(
        request=serializers_people.MergeSerializer,
        responses={200: serializers.ParticipantSerializer, 409: PROBLEM},
    )
    @action(detail=True, methods=["post"])
    def merge(self, request: Request, pk: str) -> Response:
        """Keep another record of this site's under this one: they are one person."""
        kept = self.get_object()
        said = fields_sent(serializers_people.MergeSerializer, request)
        other = person_named(request, kept.site.code, said["other"])
        reason = said["reason"]
        done = identity.merge(kept.pk, other.pk, reason=reason, by=user_of(request))
        return Response(self.get_serializer(done).data)

    @extend_schema(
        request=serializers_people.SamePersonSerializer,
        responses={200: serializers.ParticipantSerializer, 409: PROBLEM},
    )
    @action(detail=True, methods=["post"], url_path="same-person")
    def same_person(self, request: Request, pk: str) -> Response:
        """Declare that a record at another site is of this person, or take that back."""
        one, by = self.get_object(), user_of(request)
        sent = fields_sent(serializers_people.SamePersonSerializer, request)
        if "participant" in sent:
            other = person_named(request, sent.get("site", ""), sent["participant"])
            identity.declare_same(one.pk, other.pk, reason=sent["reason"], by=by)
        else:
            identity.declare_different(one.pk, reason=sent["reason"], by=by)
        return Response(self.get_serializer(self.get_object()).data)

    @extend_schema(responses={200: MeasuredSerializer(many=True)})
    @action(detail=True, methods=["get"], pagination_class=None, filterset_class=None)
    def values(self, request: Request, pk: str) -> Response:
        """Every value of a participant, beside the reference ranges of the sex and age."""
        found = measured.of_person(self.get_object(), user=request.user)
        told = MeasuredSerializer(found, many=True).data
        return Response(told, headers={"ETag": self._version([list(map(dict, told))])})

    @extend_schema(responses={200: serializers_people.PlannedVisitSerializer(many=True)})
    @action(detail=True, methods=["get"], pagination_class=None, filterset_class=None)
    def visits(self, request: Request, pk: str) -> Response:
        """The protocol's visits with their windows, and how they were kept."""
        planned = visits.planned_of(self.get_object())
        told = serializers_people.PlannedVisitSerializer(planned, many=True).data
        return Response(told, headers={"ETag": self._version([list(map(dict, told))])})

    @extend_schema(
        request=serializers_people.NewVisitSerializer,
        responses={201: serializers_people.NewVisitSerializer, 400: PROBLEM},
    )
    @visits.mapping.post
    def new_visit(self, request: Request, pk: str) -> Response:
        """Record the day of a visit; one that is on record is corrected with the reason."""
        person = self.get_object()
        said = serializers_people.NewVisitSerializer(data=request.data)
        said.is_valid(raise_exception=True)
        visits.record_visit(person.pk, **said.validated_data, by=user_of(request))
        return Response(said.data, status=status.HTTP_201_CREATED)

    @extend_schema(responses={200: serializers_people.InterviewSerializer(many=True)})
    @action(detail=True, methods=["get"], pagination_class=None, filterset_class=None)
    def interviews(self, request: Request, pk: str) -> Response:
        """Interviews about the person's withdrawal, graded by each set of criteria."""
        seen = models.Interview.objects.visible_to(request.user)
        rows = seen.filter(participant=self.get_object())
        told = serializers_people.InterviewSerializer(rows, many=True).data
        return Response(told, headers={"ETag": self._version([list(map(dict, told))])})

    @extend_schema(
        request=serializers_people.InterviewSerializer,
        responses={201: serializers_people.InterviewSerializer, 400: PROBLEM},
    )
    @interviews.mapping.post
    def new_interview(self, request: Request, pk: str) -> Response:
        """Record an interview, or correct that of the same day; the grades follow from it."""
        person = self.get_object()
        facts = fields_sent(serializers_people.InterviewSerializer, request)
        day, reason = facts.pop("interviewed_on"), facts.pop("reason")
        made = visits.record_interview(person.pk, facts, on=day, reason=reason, by=user_of(request))
        told = serializers_people.InterviewSerializer(made).data
        return Response(told, status=status.HTTP_201_CREATED)


class TransferFilter(BySite):
    site = filters.CharFilter(field_name="participant__site__code")
    to_site = filters.CharFilter(field_name="to_site__code")


class TransferViewSet(RecordViewSet):
    """Participants who move between sites, as both ends see it."""

    queryset = models.Transfer.objects.none()
    serializer_class = serializers_people.TransferSerializer
    filterset_class = TransferFilter
    related = ("participant__site", "to_site", "arrived_as")
    verbs = {**RecordViewSet.verbs, "create": "C", "accept": "U", "call_off": "U"}

    @extend_schema(
        request=serializers_people.NewTransferSerializer,
        responses={201: serializers_people.TransferSerializer, 409: PROBLEM},
    )
    def create(self, request: Request) -> Response:
        """Offer a participant to another site, which takes them over or not."""
        sent = fields_sent(serializers_people.NewTransferSerializer, request)
        person = person_named(request, sent["site"], sent["participant"])
        made = transfers.offer(
            person.pk, to_site=sent["to_site"], reason=sent["reason"], by=user_of(request)
        )
        headers = location_of(request, made.pk)
        told = self.get_serializer(made).data
        return Response(told, status=status.HTTP_201_CREATED, headers=headers)

    @extend_schema(
        request=serializers_people.TakeOverSerializer,
        responses={200: serializers_people.TransferSerializer, 409: PROBLEM},
    )
    @action(detail=True, methods=["post"])
    def accept(self, request: Request, pk: str) -> Response:
        """Take the participant over, under a code of your site."""
        transfer = self.get_object()
        said = fields_sent(serializers_people.TakeOverSerializer, request)
        transfers.accept(transfer.pk, **said, by=user_of(request))
        return Response(self.get_serializer(self.get_object()).data)

    @extend_schema(
        request=None, responses={200: serializers_people.TransferSerializer, 409: PROBLEM}
    )
    @action(detail=True, methods=["post"], url_path="call-off")
    def call_off(self, request: Request, pk: str) -> Response:
        """Call an open transfer off."""
        done = transfers.call_off(self.get_object().pk, by=user_of(request))
        return Response(self.get_serializer(done).data)
