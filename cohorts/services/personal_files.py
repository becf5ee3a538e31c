"""Files of tables that were refused for a column of personal data: their report stays, they go."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from cohorts.models import Upload
from cohorts.services import files


def remove() -> None:
    """Remove from the store what no other upload needs.

    Called when the refusal is committed, and again by every sweep until it is done.
    """
    for upload in Upload.objects.refused_for_personal_data():
        with transaction.atomic():
            files.hold_all_for_removal()
            same = Upload.objects.filter(sha256=upload.sha256, file_removed_at=None)
            # The very same file may be a good table of another kind, where the column is a feature.
            if not same.exclude(pk__in=Upload.objects.refused_for_personal_data()).exists():
                files.path_of(upload.sha256).unlink(missing_ok=True)
            Upload.objects.filter(pk=upload.pk).update(file_removed_at=timezone.now())
