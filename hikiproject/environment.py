"""Reading the environment for the settings: a value that cannot be is refused by its name."""

from __future__ import annotations

import math
from typing import NoReturn

import environ

env = environ.FileAwareEnv()  # NAME_FILE, where set, names a file that holds NAME (a secret)


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


def yes_no(name: str, otherwise: bool) -> bool:
    """True or false, in the words that are in use for them."""
    text = env.str(name, default="") or str(otherwise)
    if text.casefold() in {"true", "yes", "on", "1"}:
        return True
    if text.casefold() not in {"false", "no", "off", "0"}:
        refuse_to_start(f"{name} is {text!r}; write true or false.")
    return False
