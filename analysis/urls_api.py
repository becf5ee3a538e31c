"""Addresses of plans, runs and claims under /api/v1/."""

from analysis import api, api_dictionaries, api_quality, api_runs, api_webhooks
from cohorts.api_base import EitherSlashRouter

router = EitherSlashRouter()
router.register("plans", api.PlanViewSet, basename="api-plans")
router.register("claims", api.ClaimViewSet, basename="api-claims")
router.register("runs", api_runs.RunViewSet, basename="api-runs")
router.register("dictionaries", api_dictionaries.DictionaryViewSet, basename="api-dictionaries")
router.register("assay-batches", api_quality.QualityViewSet, basename="api-assay-quality")
router.register("webhooks", api_webhooks.WebhookViewSet, basename="api-webhooks")

urlpatterns = router.urls
