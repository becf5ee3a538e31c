"""Reading the environment for the settings: a value that cannot be is refused by its name."""

from __future__ import annotations

import math
from typing import NoReturn
from urllib.parse import urlsplit

import environ
from environ.fileaware_mapping import FileAwareMapping


class _Files(FileAwareMapping):  # type: ignore[misc]  # environ has no types
    """NAME_FILE, where set, names a file that holds NAME (a secret)."""

    def __getitem__(self, key: str) -> str:
        try:
            value: str = super().__getitem__(key)
        except (OSError, UnicodeDecodeError) as error:
            refuse_to_start(f"{key}_FILE names a file that cannot be read: {error}.")
        # Editors and `echo` end a file with a line break, which is no part of the secret.
        return value.rstrip("\r\n")


class _Environment(environ.FileAwareEnv):  # type: ignore[misc]  # as above
    ENVIRON = _Files()


env = _Environment()


def refuse_to_start(sentence: str) -> NoReturn:
    """End with the sentence alone: whoever starts a program needs no traceback of its settings."""
    raise SystemExit(f"hikiproject does not start: {sentence}")


def number(name: str, otherwise: float, *, least: float = 0.0) -> float:
    """A finite number that is not below ``least``."""
    text = env.str(name, default="") or str(otherwise)
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not least <= value < math.inf:
        refuse_to_start(f"{name} is {text!r}; write a number of {least:g} or more.")
    return value


def whole(name: str, otherwise: int, *, least: int = 0) -> int:
    """A number without decimals that is not below ``least``."""
    value = number(name, otherwise, least=least)
    if not value.is_integer():
        refuse_to_start(f"{name} is '{value:g}'; write a whole number.")
    return int(value)


def address(name: str, schemes: tuple[str, ...], pattern: str) -> str:
    """The URL of a server, of one of the schemes; nothing where none is set."""
    text: str = env.str(name, default="")
    if not text:
        return ""
    scheme = text.split(":", 1)[0]
    if scheme not in schemes:
        refuse_to_start(f"{name} names {scheme!r}; set {pattern}, or leave it unset.")
    try:
        complete = bool(urlsplit(text).hostname) and urlsplit(text).port != 0
    except ValueError:  # its words would show a part of the password
        complete = False
    if not complete:
        refuse_to_start(
            f"{name} cannot be taken apart; write {pattern}, and / : @ # ? % of the password as "
            "%2F %3A %40 %23 %3F %25."
        )
    return text


def yes_no(name: str, otherwise: bool) -> bool:
    """True or false, in the words that are in use for them."""
    text = env.str(name, default="") or str(otherwise)
    if text.casefold() in {"true", "yes", "on", "1"}:
        return True
    if text.casefold() not in {"false", "no", "off", "0"}:
        refuse_to_start(f"{name} is {text!r}; write true or false.")
    return False
