"""Addresses of the records under /api/v1/."""

from cohorts import (
    api,
    api_dictionary_edits,
    api_entries,
    api_erasures,
    api_exports,
    api_features,
    api_people,
    api_queries,
    api_renewals,
    api_samples,
    api_values,
)
from cohorts.api_base import EitherSlashRouter

router = EitherSlashRouter()
for prefix, viewset in {
    "sites": api.SiteViewSet,
    "participants": api_people.PeopleViewSet,
    "transfers": api_people.TransferViewSet,
    "consents": api_renewals.ConsentsViewSet,
    "withdrawals": api.WithdrawalViewSet,
    "erasures": api_erasures.ErasureViewSet,
    "exports": api_exports.ExportViewSet,
    "samples": api_samples.TubeViewSet,
    "assessments": api_entries.AssessmentsViewSet,
    "uploads": api.UploadViewSet,
    "features": api_features.DictionaryViewSet,
    "dictionary-edits": api_dictionary_edits.DictionaryEditViewSet,
    "assay-batches": api_values.BatchValuesViewSet,
    "queries": api_queries.QueryViewSet,
    "boxes": api_samples.BoxViewSet,
    "shipments": api_samples.ShipmentViewSet,
    "destructions": api_samples.DestructionViewSet,
    "changes": api.ChangeViewSet,
}.items():
    router.register(prefix, viewset, basename=f"api-{prefix}")

urlpatterns = router.urls
