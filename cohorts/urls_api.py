"""Addresses of the records under /api/v1/."""

from cohorts.api import (
    consent_forms,
    dictionary_edits,
    entries,
    erasures,
    exports,
    features,
    people,
    queries,
    records,
    renewals,
    samples,
    uploads,
    values,
)
from cohorts.api.base import EitherSlashRouter

router = EitherSlashRouter()
for prefix, viewset in {
    "sites": records.SiteViewSet,
    "participants": people.PeopleViewSet,
    "transfers": people.TransferViewSet,
    "consent-forms": consent_forms.ConsentFormViewSet,
    "consents": renewals.ConsentsViewSet,
    "withdrawals": records.WithdrawalViewSet,
    "erasures": erasures.ErasureViewSet,
    "exports": exports.ExportViewSet,
    "samples": samples.TubeViewSet,
    "assessments": entries.AssessmentsViewSet,
    "uploads": uploads.UploadViewSet,
    "features": features.DictionaryViewSet,
    "dictionary-edits": dictionary_edits.DictionaryEditViewSet,
    "assay-batches": values.BatchValuesViewSet,
    "queries": queries.QueryViewSet,
    "boxes": samples.BoxViewSet,
    "shipments": samples.ShipmentViewSet,
    "destructions": samples.DestructionViewSet,
    "changes": records.ChangeViewSet,
}.items():
    router.register(prefix, viewset, basename=f"api-{prefix}")

urlpatterns = router.urls
