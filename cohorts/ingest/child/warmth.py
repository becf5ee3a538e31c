"""What a child touches before it has a job, so that it need not while somebody waits.

After a fork each page is copied when it is first written to, and new memory comes page by page.
"""

from __future__ import annotations

from datetime import date

from cohorts.ingest import checking
from cohorts.ingest.assays import AssayOptions
from cohorts.ingest.facts import SiteFacts

_N_ROWS, _N_COLUMNS = 200, 1_000  # about a block of a large table


def grow_warm() -> None:
    """Check a table of nobody's: it names samples that no site has."""
    names = ",".join(f"a{number} [umol/L]" for number in range(_N_COLUMNS))
    rows = (f"S{number}" + ",0.123456" * _N_COLUMNS for number in range(_N_ROWS))
    content = "\n".join([f"sample,{names}", *rows, ""]).encode()
    nowhere = SiteFacts("-", date(2000, 1, 1))
    options = AssayOptions(platform="-", matrix="-")
    checking.check_file("assays", content, "warm.csv", lambda: nowhere, options)
