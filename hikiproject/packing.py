"""Static files of installed packages, sent packed though their packages bring them unpacked."""

from __future__ import annotations

import gzip
import os
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from django.conf import settings
from whitenoise.middleware import WhiteNoiseMiddleware

TEXTS = (".css", ".js", ".svg", ".html", ".json", ".map")
FEWEST_BYTES = 1_400  # what fits into one packet is not worth it


class PackingMiddleware(WhiteNoiseMiddleware):  # type: ignore[misc]  # the package has no types
    """Packs each text once, into the state folder: a package's own folder may be read-only."""

    def get_static_file(self, path: str, url: str, stat_cache: dict[str, Any] | None = None) -> Any:
        about = (stat_cache or {}).get(path)
        brings_its_own = path + ".gz" in (stat_cache or {})
        if about and not brings_its_own and path.endswith(TEXTS) and about.st_size >= FEWEST_BYTES:
            return super().get_static_file(packed(path, about.st_mtime_ns, about.st_size), url)
        return super().get_static_file(path, url, stat_cache)


@cache
def packed(path: str, changed_at: int, size: int) -> str:
    """The address of the same file in a folder in which its packed copy stands beside it."""
    version = sha256(f"{path} {changed_at} {size}".encode()).hexdigest()[:16]
    link = Path(settings.STATIC_ROOT).parent / "packed" / version / Path(path).name
    copy = link.with_name(link.name + ".gz")
    link.parent.mkdir(parents=True, exist_ok=True)
    # Each is whole or not there at all: several processes start at once.
    half = link.with_name(f"{link.name}.{os.getpid()}")
    if not copy.exists():
        half.write_bytes(gzip.compress(Path(path).read_bytes(), mtime=0))
        half.replace(copy)
    if not link.exists():  # never made, or the environment has moved
        half.symlink_to(path)
        half.replace(link)
    return str(link)
