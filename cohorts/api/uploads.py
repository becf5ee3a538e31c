"""Tables over HTTP: sent, checked, mapped, accepted."""

from __future__ import annotations

from typing import Any, cast

from django.conf import settings
from django.db.models import Q, QuerySet
from django.http import HttpResponse, QueryDict
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import exceptions, mixins, parsers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from cohorts import access, models
from cohorts.api.base import PROBLEM, RecordViewSet, fields_sent, location_of
from cohorts.api.filters import BySite
from cohorts.downloads import as_download
from cohorts.language.asked import asked_language
from cohorts.models import Upload
from cohorts.requests import user_of
from cohorts.serializers import uploads as serializers
from cohorts.services import uploads
from cohorts.services.tables import mappings, remarked, sent_tables, two_steps
from cohorts.services.tables.sent_tables import SentTable

# What a multipart request carries beside its file: boundaries and a few short fields.
MULTIPART_SLACK_BYTES = 64 * 1024


BODIES = [parsers.JSONParser, parsers.FormParser, parsers.MultiPartParser]


class TooLarge(exceptions.APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "too_large"


class RefusedUpload(exceptions.APIException):
    """A sent table broke rules; the problem carries the whole report."""

    status_code = status.HTTP_422_UNPROCESSABLE_ENTITY
    default_code = "table_refused"

    def __init__(self, upload: Upload) -> None:
        n = len(upload.report["faults"])
        super().__init__(f"{n} {'fault' if n == 1 else 'faults'}; nothing was stored.")
        self.more = {"upload": str(upload.pk), "report": upload.report}


class UploadFilter(BySite):
    kind = filters.ChoiceFilter(choices=models.upload.KINDS)
    status = filters.ChoiceFilter(choices=models.Upload.Status.choices)
    since = filters.IsoDateTimeFilter(field_name="received_at", lookup_expr="gte")


class UploadViewSet(mixins.CreateModelMixin, RecordViewSet):
    """Files that sites sent, with the report on each."""

    queryset = models.Upload.objects.none()
    serializer_class = serializers.UploadSerializer
    filterset_class = UploadFilter
    page_ordering = ("-received_at", "-pk")
    related = ("site", "sent_by", "accepted_by")
    parser_classes = [parsers.MultiPartParser]
    # Who decides over a checked table, and who fetches it, the services know: both are among those
    # who read it.
    verbs = {
        **RecordViewSet.verbs,
        "create": "C",
        "accept": "R",
        "discard": "R",
        "remarks": "R",
        "mapping": "R",
    }

    def etag(self, *parts: object) -> str:
        """Reports are told in the language asked for, so it is a part of the question."""
        return super().etag(asked_language(self.request.headers), *parts)

    def finalize_response(
        self, request: Request, response: Any, *args: Any, **kwargs: Any
    ) -> Response:
        done = super().finalize_response(request, response, *args, **kwargs)
        patch_vary_headers(done, ("Accept-Language",))
        return done

    def get_queryset(self) -> QuerySet[Any]:
        """A report quotes cells: who may not read a kind of record reads no report on one."""
        readable = Q(pk=None)
        for kind, resource in access.UPLOAD_KINDS.items():
            where = access.reach(self.request.user, resource)
            sites = Q() if where.everywhere else Q(site__in=where.site_ids)
            readable |= Q(kind=kind) & sites
        return super().get_queryset().filter(readable)

    @extend_schema(
        request={"multipart/form-data": serializers.NewUploadSerializer},
        responses={
            201: OpenApiResponse(
                serializers.UploadSerializer, "Every row holds and is stored, or is checked only."
            ),
            200: OpenApiResponse(serializers.UploadSerializer, "This file was accepted before."),
            413: PROBLEM,
            422: OpenApiResponse(OpenApiTypes.OBJECT, "Refused: the report names every cell."),
        },
    )
    def create(self, request: Request) -> Response:
        """Send a table: every row is stored, or none and the report says why.

        With `check_only` nothing is stored yet: the answer's report previews what accepting it
        would add and change, and rows of known records are taken as their corrections.
        """
        self._refuse_giants(request)
        # In the address too, where a client's form is fixed.
        asked = serializers.NewUploadSerializer(
            data=request.query_params.dict() | cast("QueryDict", request.data).dict()
        )
        asked.is_valid(raise_exception=True)
        sent, begun = asked.validated_data, timezone.now()
        verbs = "CU" if sent["check_only"] else "C"
        site = sent_tables.site_for(user_of(request), sent["site"], sent["kind"], verbs=verbs)
        table = SentTable(
            kind=sent["kind"],
            content=sent["file"].read(),
            filename=sent["file"].name,
            options={
                name: sent[name]
                for name in (*sent_tables.ASSAY_OPTIONS, "encoding")
                if sent.get(name)
            },
            dictionary=sent["dictionary"].read() if sent.get("dictionary") else b"",
        )
        step = two_steps.check if sent["check_only"] else uploads.submit
        upload = step(site, table, by=user_of(request))
        if upload.status == models.Upload.Status.REJECTED:
            raise RefusedUpload(upload)
        known = upload.accepted_at is not None and upload.accepted_at < begun
        told = self.get_serializer(upload).data
        code = status.HTTP_200_OK if known else status.HTTP_201_CREATED
        return Response(told, status=code, headers=location_of(request, upload.pk))

    @extend_schema(
        request=serializers.AcceptUploadSerializer,
        responses={200: serializers.UploadSerializer, 409: PROBLEM},
    )
    @action(detail=True, methods=["post"], parser_classes=BODIES)
    def accept(self, request: Request, pk: str) -> Response:
        """Accept a checked table, with the reason where it corrects; checked again first."""
        said = fields_sent(serializers.AcceptUploadSerializer, request)
        reason = said["reason"]
        done = two_steps.accept(self.get_object().pk, by=user_of(request), reason=reason)
        return Response(self.get_serializer(done).data)

    @extend_schema(request=None, responses={200: serializers.UploadSerializer, 409: PROBLEM})
    @action(detail=True, methods=["post"], parser_classes=BODIES)
    def discard(self, request: Request, pk: str) -> Response:
        """Put a checked table aside; it may be sent again."""
        done = two_steps.discard(self.get_object().pk, by=user_of(request))
        return Response(self.get_serializer(done).data)

    @extend_schema(
        request=serializers.MappingSerializer,
        responses={200: serializers.UploadSerializer},
        methods=["POST"],
    )
    @extend_schema(responses={200: serializers.MappingSerializer}, methods=["GET"])
    @action(detail=True, methods=["get", "post"], parser_classes=BODIES)
    def mapping(self, request: Request, pk: str) -> Response:
        """What the site calls its columns: proposed for this table, or confirmed and kept."""
        upload = self.get_object()
        if request.method == "GET":
            return Response({"columns": mappings.proposal_of(upload)})
        said = fields_sent(serializers.MappingSerializer, request)
        done = mappings.confirm(upload.pk, said["columns"], by=user_of(request))
        return Response(self.get_serializer(done).data)

    @extend_schema(
        parameters=[OpenApiParameter("as", str, enum=list(remarked.FORMATS), default="csv")],
        responses={
            (200, kind.partition(";")[0]): OpenApiTypes.BINARY
            for kind, _ in remarked.FORMATS.values()
        },
    )
    @action(detail=True, methods=["get"])
    def remarks(self, request: Request, pk: str) -> HttpResponse:
        """The table as it was sent, with a column of what its check said of each row."""
        form = request.query_params.get("as", "csv")
        made = remarked.file_of(self.get_object(), to=user_of(request), form=form)
        return as_download(made)

    def _refuse_giants(self, request: Request) -> None:
        """Before a byte of the body is read."""
        length = int(request.META.get("CONTENT_LENGTH") or 0)
        if length > settings.UPLOAD_MAX_BYTES + MULTIPART_SLACK_BYTES:
            limit = settings.UPLOAD_MAX_BYTES // 1024**2
            raise TooLarge(
                f"The file is larger than {limit} MB; split it by batch and send the parts."
            )
