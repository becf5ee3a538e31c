"""The admin of plans, runs, claims and webhooks: each part registers its own models."""

from analysis.admin import operations, plans, results, webhooks

__all__ = ["operations", "plans", "results", "webhooks"]
