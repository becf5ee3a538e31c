"""The chain over the audit trail: each entry's keyed hash, each seal's hash over the one before.

Values stand in the entries alone. The chain holds hashes of them with a random salt each, so that
an erasure can empty an entry, and drop its salt, while everything that was chained still holds.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone


class AuditSeal(models.Model):
    """A piece of the chain; its links, in their order, are the entries that it covers."""

    number = models.PositiveBigIntegerField(primary_key=True)
    sealed_at = models.DateTimeField(default=timezone.now)
    # Empty where the entries are new.
    why = models.CharField(max_length=20, blank=True)
    # Kind: the columns that are covered from here on; empty where they are as before.
    columns = models.JSONField(default=dict)
    n_links = models.PositiveIntegerField()
    digest = models.CharField(max_length=64)
    # Where to look for entries without a link; told nowhere and covered by no hash.
    seen = models.JSONField(default=dict)
    settled = models.JSONField(default=dict)
    horizon = models.BigIntegerField()

    objects: ClassVar = models.Manager()

    class Meta:
        ordering = ["number"]
        indexes = [
            models.Index(
                name="audit_seal_with_columns", fields=["number"], condition=~Q(columns={})
            )
        ]

    def __str__(self) -> str:
        return f"{self.number}:{self.digest}"


class AuditLink(models.Model):
    """One entry of the trail, as it was when it was sealed."""

    id = models.BigAutoField(primary_key=True)
    seal = models.ForeignKey(
        AuditSeal, on_delete=models.PROTECT, related_name="links", db_index=False
    )
    kind = models.CharField(max_length=32)
    entry_id = models.BigIntegerField()
    # Gone with what was erased.
    salt = models.BinaryField(max_length=16, null=True)
    digest = models.BinaryField(max_length=32)

    objects: ClassVar = models.Manager()

    class Meta:
        ordering = ["id"]
        indexes = [
            models.Index(name="audit_link_in_order", fields=["seal", "id"]),
            models.Index(name="audit_link_entry", fields=["kind", "entry_id"]),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.entry_id} in seal {self.seal_id}"
