"""Participants over HTTP: read, corrected with a reason, and what stood there before."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from cohorts import serializers, serializers_people
from cohorts.api import PROBLEM, ParticipantViewSet
from cohorts.services import enrolment, history
from cohorts.views import user_of


class PeopleViewSet(ParticipantViewSet):
    """Participants, by study code."""

    verbs = {**ParticipantViewSet.verbs, "correct": "U", "history": "R"}

    @extend_schema(
        request=serializers_people.CorrectionSerializer,
        responses={200: serializers.ParticipantSerializer, 409: PROBLEM},
    )
    @action(detail=True, methods=["post"])
    def correct(self, request: Request, pk: str) -> Response:
        """Correct a participant: a new version, with the reason; the earlier values are kept."""
        person = self.get_object()
        said = serializers_people.CorrectionSerializer(data=request.data)
        said.is_valid(raise_exception=True)
        # What the form does not know is refused by the service in words, not passed over.
        changes = {**said.initial_data["changes"], **said.validated_data["changes"]}
        done = enrolment.correct(
            person.pk,
            changes,
            reason=said.validated_data["reason"],
            by=user_of(request),
            version=said.validated_data["version"],
        )
        return Response(self.get_serializer(done).data)

    @extend_schema(responses={200: serializers_people.PastSerializer(many=True)})
    @action(detail=True, methods=["get"], pagination_class=None, filterset_class=None)
    def history(self, request: Request, pk: str) -> Response:
        """What was recorded of a participant at each time, by whom and why."""
        past = history.past_of(self.get_object())
        told = serializers_people.PastSerializer(past, many=True).data
        return Response(told, headers={"ETag": self._version([len(told), *told[:1]])})
