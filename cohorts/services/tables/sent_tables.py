"""A table as a site sends it: whether it may, with which options, and what is refused unread."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from django.conf import settings

from cohorts import access
from cohorts.errors import NoSuchSite, NotAllowed, UnusableRequest
from cohorts.ingest import assays
from cohorts.ingest.encodings import CODECS
from cohorts.ingest.participants import STATED
from cohorts.language.sentences import say
from cohorts.models import ColumnMapping, Erasure, Site, User
from cohorts.services import redcap_projects
from cohorts.services.pausing import refuse_paused

ASSAY_OPTIONS = ("platform", "matrix", "unit", "scale", "zero_means")
SCALES = ("raw", "log2", "ln", "log10", "standardised")
ZERO_MEANS = ("zero", "below_lod", "missing")
REWRITTEN = "Rows of this very file have been erased; export the table again without them."


@dataclass(frozen=True)
class SentTable:
    """A file as it came; ``options`` are those of an assay table (`ASSAY_OPTIONS`).

    ``dictionary`` is the data dictionary of a REDCap project, whose data the file then holds.
    """

    kind: str
    content: bytes
    filename: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    dictionary: bytes = b""


def site_for(user: User, site_code: str, kind: str, *, verbs: str = "C") -> Site:
    """The site, if this user may send such tables for it; ``verbs`` any of which will do.

    Raises NoSuchSite alike for unknown and for other people's sites, NotAllowed for a role at that
    site that does not send this kind.
    """
    site: Site | None = Site.objects.visible_to(user).filter(code=site_code).first()
    if site is None or not access.reach(user, "upload", "C").covers(site.pk):
        raise NoSuchSite(site_code)
    check_kind(kind)
    if not any(access.may(user, access.UPLOAD_KINDS[kind], verb, site.pk) for verb in verbs):
        who = ", ".join(
            str(access.ROLES[role])
            for role in sorted(access.roles_with(access.UPLOAD_KINDS[kind], "C"))
        )
        raise NotAllowed(
            say(
                "Your role at %(site)s does not send %(kind)s; ask a %(who)s there.",
                site=site.code,
                kind=kind,
                who=who,
            )
        )
    return site


def check_kind(kind: str) -> None:
    if kind not in access.UPLOAD_KINDS:
        raise UnusableRequest(
            say(
                "%(kind)s is not a kind of table; send %(upload_kinds)s.",
                kind=repr(kind),
                upload_kinds=", ".join(access.UPLOAD_KINDS),
            )
        )


def at_the_door(site: Site, sent: SentTable) -> SentTable:
    """The table as it may be stored; of a REDCap project without what names a person.

    Raises UnusableRequest, or that the site is paused.
    """
    refuse_unusable(site, sent)
    if sent.kind != redcap_projects.KIND:
        return sent
    encoding = str(sent.options.get("encoding", ""))
    kept = redcap_projects.kept_of(
        site, sent.content, sent.dictionary, filename=filename_of(sent), encoding=encoding
    )
    options: dict[str, Any] = {**redcap_projects.options_of(kept)}
    if stated := sent.options.get("stated"):
        options["stated"] = stated
    return replace(sent, content=kept.content, dictionary=b"", options=options)


def records_of(kind: str) -> str:
    """The kind of records that a kind of table brings."""
    return "participants" if kind == redcap_projects.KIND else kind


def refuse_unusable(site: Site, sent: SentTable) -> None:
    """Raises UnusableRequest, or that the site is paused, before anybody reads the file."""
    refuse_paused(site)
    check_kind(sent.kind)
    if sent.dictionary and sent.kind != redcap_projects.KIND:
        raise UnusableRequest(say("Only a REDCap project comes with a data dictionary."))
    if max(len(sent.content), len(sent.dictionary)) > settings.UPLOAD_MAX_BYTES:
        limit = settings.UPLOAD_MAX_BYTES // 1024**2
        raise UnusableRequest(
            say(
                "The file is larger than %(limit)s MB; split it by batch and send the parts.",
                limit=limit,
            )
        )
    if sent.kind == "assays":
        assay_options(sent.options)
    refuse_stated(sent.kind, sent.options.get("stated", ()))
    if sent.options.get("encoding") and sent.options["encoding"] not in CODECS:
        raise UnusableRequest(
            say(
                "%(encoding)s is not an encoding; choose one of %(codecs)s.",
                encoding=repr(sent.options["encoding"]),
                codecs=", ".join(CODECS),
            )
        )


def refuse_replaced(site: Site, digest: str) -> None:
    """Raises UnusableRequest for a file that an erasure has rewritten: it would bring rows back."""
    if Erasure.objects.filter(site=site).that_rewrote(digest).exists():
        raise UnusableRequest(REWRITTEN)


def moves_zeros(sent: SentTable) -> bool:
    return sent.options.get("zero_means", "zero") not in ("", "zero")


def filename_of(sent: SentTable) -> str:
    return sent.filename[:255] or f"{sent.kind}.csv"


def assay_options(
    options: Mapping[str, Any], mapping: Mapping[str, str] | None = None
) -> assays.AssayOptions:
    """Options as the check takes them. Raises UnusableRequest that names the option."""
    unknown = [key for key in options if key not in (*ASSAY_OPTIONS, "encoding")]
    if unknown:
        raise UnusableRequest(
            say(
                "Unknown option %(unknown)s; an assay table takes %(assay_options)s.",
                unknown=repr(unknown[0]),
                assay_options=", ".join(ASSAY_OPTIONS),
            )
        )
    for key, allowed in (("scale", SCALES), ("zero_means", ZERO_MEANS)):
        if options.get(key) and options[key] not in allowed:
            raise UnusableRequest(
                say(
                    "%(key)s is %(value)s; choose one of %(allowed)s.",
                    key=key,
                    value=repr(options[key]),
                    allowed=", ".join(allowed),
                )
            )
    for key in ("platform", "matrix"):
        if not options.get(key):
            raise UnusableRequest(
                say(
                    "An assay table needs its %(key)s: say what was measured, and with what.",
                    key=key,
                )
            )
    return assays.AssayOptions(
        platform=options["platform"],
        matrix=options["matrix"],
        unit=options.get("unit") or None,
        scale=options.get("scale") or "raw",
        zero_means=options.get("zero_means") or "zero",
        columns=mapping or {},
    )


def mapping_of(site: Site, kind: str, options: Mapping[str, Any]) -> Mapping[str, str]:
    """Standard column -> the site's own name, or what was said of every row of this file."""
    saved = ColumnMapping.objects.filter(site=site, kind=kind).first()
    return {**(saved.columns if saved else {}), **options.get("stated", {})}


def refuse_stated(kind: str, names: Iterable[str]) -> None:
    """Raises UnusableRequest for what is not said of all people of a file at once."""
    for name in names:
        if records_of(kind) != "participants" or name not in STATED:
            raise UnusableRequest(
                say(
                    "%(name)s is not said of every row at once; of participants %(stated)s may be.",
                    name=repr(name),
                    stated=", ".join(STATED),
                )
            )
