"""Files of tables that were refused for a column of personal data: their report stays, they go."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from cohorts.models import Upload
from cohorts.services.tables import files


def remove() -> None:
    """Remove from the store what no other upload needs.

    Called when the refusal is committed, and again by every sweep until it is done.
    """
    refused = Upload.objects.refused_for_personal_data()
    if not refused.exists():
        return
    with transaction.atomic():
        files.hold_all_for_removal()
        # Read again now that nobody names a file: one may just have been sent once more. One that
        # is being sent is left to whoever sends it, who would wait for this.
        free = list(refused.select_for_update(skip_locked=True))
        for upload in free:
            same = Upload.objects.filter(sha256=upload.sha256, file_removed_at=None)
            # The very same file may be a good table of another kind, where the column is a feature.
            if not same.exclude(pk__in=refused.all()).exists():
                files.path_of(upload.sha256).unlink(missing_ok=True)
        taken = Upload.objects.filter(pk__in=[upload.pk for upload in free])
        taken.update(file_removed_at=timezone.now())
