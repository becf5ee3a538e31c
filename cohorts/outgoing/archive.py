"""Several texts as one zip; the same texts are the same bytes, so that its SHA-256 proves them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping

from cohorts.outgoing.assay_records import OutPart, parts_of
from cohorts.outgoing.records import OutSite

_EPOCH = (1980, 1, 1, 0, 0, 0)


def zipped(files: Mapping[str, str]) -> bytes:
    """The texts by path, as UTF-8."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, text in files.items():
            entry = zipfile.ZipInfo(path, date_time=_EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, text.encode())
    return out.getvalue()


def zip_of_parts(site: OutSite, ending: str, text: Callable[[OutSite, OutPart], str]) -> bytes:
    """A zip with a file a part, as ``text`` writes it."""
    return zipped(
        {
            f"{site.site}-{part.name}.{ending}": text(site, part)
            for batch in site.batches
            for part in parts_of(batch)
        }
    )
