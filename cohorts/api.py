"""The records over HTTP: each method parses, calls one service, renders."""

from __future__ import annotations

from django.conf import settings
from django.db.models import Count, Q
from django.utils import timezone
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import exceptions, mixins, parsers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from cohorts import access, conditional, models, serializers
from cohorts.api_base import RecordViewSet
from cohorts.downloads import as_download
from cohorts.errors import NotAllowed
from cohorts.services import consent, erasure, mappings, remarked, two_steps, uploads

PROBLEM = OpenApiResponse(OpenApiTypes.OBJECT, "A problem (RFC 9457).")
# What a multipart request carries beside its file: boundaries and a few short fields.
MULTIPART_SLACK_BYTES = 64 * 1024
BODIES = [parsers.JSONParser, parsers.FormParser, parsers.MultiPartParser]


class BySite(filters.FilterSet):
    site = filters.CharFilter(field_name="site__code")


class ByParticipant(filters.FilterSet):
    site = filters.CharFilter(field_name="participant__site__code")
    participant = filters.CharFilter(field_name="participant__code")


class SiteViewSet(RecordViewSet):
    """Sites that you can see."""

    queryset = models.Site.objects.none()
    serializer_class = serializers.SiteSerializer
    lookup_field = "code"
    related = ("study",)
    filterset_fields = ("country",)


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
    def create(self, request):
        """Record a withdrawal, in force at once; from level 3 on no run reads the participant."""
        asked = serializers.NewWithdrawalSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        sent = asked.validated_data
        people = models.Participant.objects.visible_to(request.user)
        person = people.filter(site__code=sent["site"], code=sent["participant"]).first()
        if person is None:
            raise exceptions.NotFound
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

    def only_open(self, rows, name, value):
        return rows.open() if value else rows.exclude(pk__in=models.Erasure.objects.open())


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
    related = ("site", "participant", "visit", "parent")


class AssessmentFilter(ByParticipant):
    instrument = filters.CharFilter(field_name="instrument__code")
    since = filters.DateFilter(field_name="assessed_on", lookup_expr="gte")


class AssessmentViewSet(RecordViewSet):
    """Answers to questionnaires, with their derived scores."""

    queryset = models.Assessment.objects.none()
    serializer_class = serializers.AssessmentSerializer
    filterset_class = AssessmentFilter
    related = ("participant__site", "instrument", "visit")


class FeatureFilter(filters.FilterSet):
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

    def also_rests_on(self):
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
    related = ("site",)
    prefetched = ("columns__feature",)

    def get_queryset(self):
        return super().get_queryset().annotate(n_rows=Count("rows"))


class ChangeFilter(filters.FilterSet):
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

    def filter_queryset(self, queryset):
        """A small count has no site for those who see no people; a filter would give it back."""
        found = super().filter_queryset(queryset)
        where = access.reach(self.request.user, "participant")
        if "site" not in self.request.query_params or where.everywhere:
            return found
        return found.filter(site__in=where.site_ids)

    def get_serializer_context(self):
        if getattr(self, "swagger_fake_view", False):
            return super().get_serializer_context()
        people = access.reach(self.request.user, "participant")
        return {**super().get_serializer_context(), "people": people}


class TooLarge(exceptions.APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "too_large"


class RefusedUpload(exceptions.APIException):
    """A sent table broke rules; the problem carries the whole report."""

    status_code = status.HTTP_422_UNPROCESSABLE_ENTITY
    default_code = "table_refused"

    def __init__(self, upload):
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

    def get_queryset(self):
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
    def create(self, request):
        """Send a table: every row is stored, or none and the report says why.

        With `check_only` nothing is stored yet: the answer's report previews what accepting it
        would add and change, and rows of known records are taken as their corrections.
        """
        self._refuse_giants(request)
        # In the address too, where a client's form is fixed.
        asked = serializers.NewUploadSerializer(
            data=request.query_params.dict() | request.data.dict()
        )
        asked.is_valid(raise_exception=True)
        sent, begun = asked.validated_data, timezone.now()
        verbs = "CU" if sent["check_only"] else "C"
        site = uploads.site_for(request.user, sent["site"], sent["kind"], verbs=verbs)
        table = uploads.SentTable(
            kind=sent["kind"],
            content=sent["file"].read(),
            filename=sent["file"].name,
            options={
                name: sent[name] for name in (*uploads.ASSAY_OPTIONS, "encoding") if sent.get(name)
            },
            dictionary=sent["dictionary"].read() if sent.get("dictionary") else b"",
        )
        step = two_steps.check if sent["check_only"] else uploads.submit
        upload = step(site, table, by=request.user)
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
    def accept(self, request, pk):
        """Accept a checked table, with the reason where it corrects; checked again first."""
        said = serializers.AcceptUploadSerializer(data=request.data)
        said.is_valid(raise_exception=True)
        reason = said.validated_data["reason"]
        done = two_steps.accept(self.get_object().pk, by=request.user, reason=reason)
        return Response(self.get_serializer(done).data)

    @extend_schema(request=None, responses={200: serializers.UploadSerializer, 409: PROBLEM})
    @action(detail=True, methods=["post"], parser_classes=BODIES)
    def discard(self, request, pk):
        """Put a checked table aside; it may be sent again."""
        done = two_steps.discard(self.get_object().pk, by=request.user)
        return Response(self.get_serializer(done).data)

    @extend_schema(
        request=serializers.MappingSerializer,
        responses={200: serializers.UploadSerializer},
        methods=["POST"],
    )
    @extend_schema(responses={200: serializers.MappingSerializer}, methods=["GET"])
    @action(detail=True, methods=["get", "post"], parser_classes=BODIES)
    def mapping(self, request, pk):
        """What the site calls its columns: proposed for this table, or confirmed and kept."""
        upload = self.get_object()
        if request.method == "GET":
            return Response({"columns": mappings.proposal_of(upload)})
        said = serializers.MappingSerializer(data=request.data)
        said.is_valid(raise_exception=True)
        done = mappings.confirm(upload.pk, said.validated_data["columns"], by=request.user)
        return Response(self.get_serializer(done).data)

    @extend_schema(
        parameters=[OpenApiParameter("as", str, enum=list(remarked.FORMATS), default="csv")],
        responses={(200, "text/csv"): OpenApiTypes.BINARY},
    )
    @action(detail=True, methods=["get"])
    def remarks(self, request, pk):
        """The table as it was sent, with a column of what its check said of each row."""
        form = request.query_params.get("as", "csv")
        made = remarked.file_of(self.get_object(), to=request.user, form=form)
        return as_download(made)

    def _refuse_giants(self, request):
        """Before a byte of the body is read."""
        length = int(request.META.get("CONTENT_LENGTH") or 0)
        if length > settings.UPLOAD_MAX_BYTES + MULTIPART_SLACK_BYTES:
            limit = settings.UPLOAD_MAX_BYTES // 1024**2
            raise TooLarge(
                f"The file is larger than {limit} MB; split it by batch and send the parts."
            )


def location_of(request: Request, key: object) -> dict[str, str]:
    """Where a new record is read."""
    return {"Location": request.build_absolute_uri(f"{request.path.rstrip('/')}/{key}")}
