"""Reading and checking a sent table in a child process; nothing is stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from cohorts.ingest import checking
from cohorts.ingest.assays import CheckedAssays
from cohorts.ingest.checking import Checked, Options
from cohorts.ingest.child import client as child
from cohorts.ingest.child.ahead import Taker
from cohorts.ingest.encodings import UndecidedEncoding
from cohorts.ingest.facts import SiteFacts
from cohorts.ingest.reading import Table, UnreadableFile
from cohorts.ingest.report import Fault, Report
from cohorts.models import Site
from cohorts.services import redcap_projects
from cohorts.services.batches import assay_plans
from cohorts.services.tables import books
from cohorts.services.tables.sent_tables import (
    SentTable,
    assay_options,
    at_the_door,
    check_kind,
    filename_of,
    mapping_of,
)


def dry_run(site: Site, sent: SentTable) -> Report:
    """The report that sending this table would give; nothing is stored."""
    check_kind(sent.kind)
    sent = at_the_door(site, sent)
    mapping = mapping_of(site, sent.kind, sent.options)
    try:
        checked = check(sent, lambda: books.facts_of(site, sent.kind), mapping)
    except UnreadableFile as error:
        return unreadable(sent.kind, error)
    if isinstance(checked, CheckedAssays):
        return assay_plans.in_one_step(site, checked, assay_options(sent.options))[0]
    return checked.report


def check(
    sent: SentTable,
    facts: Callable[[], SiteFacts],
    mapping: Mapping[str, str],
    begun: child.Begun | None = None,
    taker: Taker | None = None,
) -> Checked:
    """Read the file and check its rows, in a child. Raises UnreadableFile: no table in it.

    ``begun`` is a child that reads this very content; it is asked if it does so in the same way.
    ``taker`` is told of rows of plain numbers before it is known whether the table holds.
    """
    how = _how(sent, mapping)
    if begun is None or not begun.serves(*how):
        with child.begin_check(sent.content, *how) as anew:
            return redcap_projects.with_left_out(anew.checked(facts, taker), sent.options)
    return redcap_projects.with_left_out(begun.checked(facts, taker), sent.options)


def begin(sent: SentTable, mapping: Mapping[str, str]) -> child.Begun:
    """Let a child read the file while it is being stored; what `check` then asks."""
    named = replace(sent, filename=filename_of(sent))
    return child.begin_check(named.content, *_how(named, mapping))


def _how(sent: SentTable, mapping: Mapping[str, str]) -> tuple[str, str, Options, str]:
    options: Options = mapping
    if sent.kind == "assays":
        options = assay_options(sent.options, mapping)
    return sent.kind, sent.filename, options, str(sent.options.get("encoding", ""))


def check_table(
    kind: str,
    table: Table,
    facts: SiteFacts,
    mapping: Mapping[str, str],
    options: Mapping[str, Any],
) -> Checked:
    """Check a table that has been read; ``mapping`` is standard column -> the site's own name."""
    how: Options = assay_options(options, mapping) if kind == "assays" else mapping
    return checking.check_table(kind, table, facts, how)


def unreadable(kind: str, error: UnreadableFile) -> Report:
    """The report on a file in which there is no table."""
    undecided = isinstance(error, UndecidedEncoding)
    code = "undecided_encoding" if undecided else "unreadable"
    choices = error.choices if isinstance(error, UndecidedEncoding) else ()
    fault = Fault(None, None, code, error.message)
    return Report(kind=kind, n_rows=0, faults=(fault,), encodings=choices)
