"""Where workers leave inputs for each other: a folder, or a bucket that speaks S3."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.core.files.base import File
from django.core.files.storage import FileSystemStorage


class PrivateFolder(FileSystemStorage):
    """Files for our own user only, written under another name and then renamed.

    The name of an artefact is a digest of its content: the same one twice is the same file.
    """

    def __init__(self, location: str) -> None:
        super().__init__(location, file_permissions_mode=0o600, directory_permissions_mode=0o700)

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        return name

    def _save(self, name: str, content: File[bytes]) -> str:
        path = Path(self.path(name))
        for folder in (path.parent.parent.parent, path.parent.parent, path.parent):
            folder.mkdir(mode=0o700, exist_ok=True, parents=True)
        handle, staged = tempfile.mkstemp(dir=path.parent, prefix=".")
        with os.fdopen(handle, "wb") as file:
            file.writelines(content.chunks())
        Path(staged).replace(path)
        return name


def storage_of(place: str, endpoint: str = "") -> dict[str, Any]:
    """Django's storage for ``s3://bucket/prefix``, or for the path of a folder.

    Raises ValueError for another kind of address.
    """
    parts = urlsplit(place)
    if not parts.scheme:
        folder = f"{__name__}.PrivateFolder"
        return {"BACKEND": folder, "OPTIONS": {"location": place}}
    if parts.scheme != "s3" or not parts.netloc:
        raise ValueError(
            f"HIKI_ARTEFACTS is {place!r}: write the path of a folder, or s3://BUCKET/PREFIX."
        )
    options = {
        "bucket_name": parts.netloc,
        "location": parts.path.strip("/"),
        "default_acl": None,
        "file_overwrite": True,
        "endpoint_url": endpoint or None,
    }
    return {"BACKEND": "hikiproject.bucket.Bucket", "OPTIONS": options}
