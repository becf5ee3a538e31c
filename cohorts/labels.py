"""Codes on tubes that show when they were misread: a check character, and reading it back.

The pure system of ISO/IEC 7064 (that of its MOD 37-2, radix 2), with modulus 67 instead of 37:
sample codes hold small letters and ``._-`` too. 67 is a prime of which 2 is a primitive root, so
every wrong character and every two exchanged neighbours are found.
"""

from __future__ import annotations

import string

from cohorts.language.sentences import say

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase + "._-/"
_CHECKS = ALPHABET + "*"
_MODULUS, _RADIX = len(_CHECKS), 2
_VALUE = {character: value for value, character in enumerate(_CHECKS)}


class MisreadCode(ValueError):
    """What was read is not what a label of this platform says."""


def label_text(site: str, code: str) -> str:
    """What a tube's label says: site, sample code, check character. ``FUK/T00001/8``.

    Raises MisreadCode for a code with a character that a label cannot carry.
    """
    body = f"{site}/{code}/"
    return body + check_character(body)


def check_character(body: str) -> str:
    """The character that makes the weighted sum of all of them 1 (mod 67)."""
    total = 0
    for character in body:
        if character not in _VALUE or character == "*":
            raise MisreadCode(
                say(
                    "A label cannot carry %(character)s; codes are letters, digits, dot, "
                    "dash and underscore.",
                    character=repr(character),
                )
            )
        total = (total + _VALUE[character]) * _RADIX % _MODULUS
    return _CHECKS[(1 - total) % _MODULUS]


def read_label(text: str) -> tuple[str, str]:
    """Site and sample code of a label. Raises MisreadCode where a character is wrong."""
    body, check = text.strip()[:-1], text.strip()[-1:]
    site, _, code = body.removesuffix("/").partition("/")
    if not (body.endswith("/") and site and code) or check_character(body) != check:
        raise MisreadCode(
            say(
                "%(text)s is misread: scan it again, or type the code.",
                text=repr(text.strip()[:80]),
            )
        )
    return site, code
