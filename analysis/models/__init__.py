"""Plans, runs and what they concluded."""

from analysis.models.claims import Claim, Verdict
from analysis.models.kept import RunPart, StepResult
from analysis.models.plan import Plan
from analysis.models.results import RunDocument, RunTable
from analysis.models.run import LARGEST_PRIORITY, Run
from analysis.models.snapshot import Snapshot
from analysis.models.webhook import (
    WebhookAttempt,
    WebhookEndpoint,
    WebhookEvent,
    WebhookMessage,
)

__all__ = [
    "LARGEST_PRIORITY",
    "Claim",
    "Plan",
    "Run",
    "RunDocument",
    "RunPart",
    "RunTable",
    "Snapshot",
    "StepResult",
    "Verdict",
    "WebhookAttempt",
    "WebhookEndpoint",
    "WebhookEvent",
    "WebhookMessage",
]
