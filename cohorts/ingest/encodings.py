"""Bytes -> text: an encoding that is certain is taken, one that is not is asked for."""

from __future__ import annotations

import re

from cohorts.ingest.sheets.workbook import UnreadableFile
from cohorts.language.sentences import say

CODECS = {
    "UTF-8": "utf-8",
    "Shift_JIS": "cp932",
    "Windows-1252": "cp1252",
    "UTF-16": "utf-16",
}
"""What a person may choose; Shift_JIS is Microsoft's, which holds more than the standard."""

_BOMS = (
    (b"\xef\xbb\xbf", "utf-8-sig", "UTF-8"),
    (b"\xff\xfe\x00\x00", "utf-32", "UTF-32"),
    (b"\xff\xfe", "utf-16", "UTF-16"),
    (b"\xfe\xff", "utf-16", "UTF-16"),
)
# What a Japanese text holds beside ASCII: punctuation, kana, kanji, full-width forms. Half-width
# katakana are left out, because any single Latin-1 byte reads as one.
_JAPANESE = re.compile(r"[\x00-\x7f\u3000-\u30ff\u4e00-\u9fff\uff01-\uff5e]*")
_MICRO_ONLY = re.compile(rb"(?:[\x00-\x7f]|\xb5(?=[mMgGlLuUks]))*")
_EXCERPT = 60


class UndecidedEncoding(UnreadableFile):
    """More than one encoding reads the file; ``choices`` are (encoding, its line)."""

    def __init__(self, message: str, choices: tuple[tuple[str, str], ...]) -> None:
        super().__init__(message)
        self.choices = choices


def decode(content: bytes, name: str) -> tuple[str, str]:
    """Text and name of the encoding.

    Raises UndecidedEncoding where a person must say, UnreadableFile where none fits.
    """
    for bom, codec, label in _BOMS:
        if content.startswith(bom):
            return _strictly(content, codec, label, name), label
    if b"\x00" in content:
        return _without_bom(content, name), "UTF-16"
    try:
        return content.decode("utf-8"), "UTF-8"
    except UnicodeDecodeError as error:
        position = error.start
    if _MICRO_ONLY.fullmatch(content):
        # 0xB5 is the micro sign in every Western code page, and here always before a unit.
        return content.decode("cp1252"), "Windows-1252"
    japanese = _try(content, "cp932")
    if japanese is not None and _JAPANESE.fullmatch(japanese):
        return japanese, "Shift_JIS"
    raise _undecided(content, name, position)


def recoded(content: bytes, encoding: str, name: str) -> bytes:
    """The content in UTF-8, read as the encoding that a person chose."""
    if encoding not in CODECS:
        raise UnreadableFile(
            say(
                "%(encoding)s is not an encoding; choose %(codecs)s.",
                encoding=repr(encoding),
                codecs=", ".join(CODECS),
            )
        )
    if content.startswith(b"PK\x03\x04"):
        return content  # a workbook says its own
    try:
        return content.decode(CODECS[encoding]).removeprefix("\ufeff").encode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UnreadableFile(
            say(
                "%(name)s is not %(encoding)s: line %(line)s does not fit; choose "
                "another encoding.",
                name=name,
                encoding=encoding,
                line=line,
            )
        ) from error


def _strictly(content: bytes, codec: str, label: str, name: str) -> str:
    try:
        return content.decode(codec).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise UnreadableFile(
            say(
                "%(name)s starts as %(label)s but byte %(start)s does not belong; save it again.",
                name=name,
                label=label,
                start=error.start,
            )
        ) from error


def _without_bom(content: bytes, name: str) -> str:
    """UTF-16 without its mark: every second byte of an ASCII header is zero."""
    head = content[:12]
    orders = (("utf-16-le", head[1::2], head[::2]), ("utf-16-be", head[::2], head[1::2]))
    for codec, zeros, letters in orders:
        if len(content) % 2 == 0 and not any(zeros) and all(letters):
            return _strictly(content, codec, "UTF-16", name)
    raise UnreadableFile(
        say("%(name)s is not a text file; export the table as CSV or .xlsx.", name=name)
    )


def _try(content: bytes, codec: str) -> str | None:
    try:
        return content.decode(codec)
    except UnicodeDecodeError:
        return None


def _undecided(content: bytes, name: str, position: int) -> UnreadableFile:
    line = content.count(b"\n", 0, position) + 1
    raw = content.split(b"\n")[line - 1]
    choices = tuple(
        (label, " ".join(raw.decode(codec, "replace").split())[:_EXCERPT])
        for label, codec in (("Shift_JIS", "cp932"), ("Windows-1252", "cp1252"))
        if _try(content, codec) is not None
    )
    if not choices:
        return UnreadableFile(
            say(
                "%(name)s: line %(line)s is not UTF-8 and its encoding is not certain; "
                "save the table as CSV UTF-8 or .xlsx.",
                name=name,
                line=line,
            )
        )
    told = " or ".join(f'"{excerpt}" ({label})' for label, excerpt in choices)
    return UndecidedEncoding(
        say(
            "%(name)s: line %(line)s is not UTF-8 and its encoding is not certain: "
            "it may read %(told)s. Say which it is, or save the table as CSV UTF-8 "
            "or .xlsx.",
            name=name,
            line=line,
            told=told,
        ),
        choices,
    )
