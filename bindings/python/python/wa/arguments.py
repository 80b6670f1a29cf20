"""What no call can take is refused before anything is done. Where the generated code fails only while it hands arguments over,
it keeps the object of the call for good: a client whose socket stays open though nobody holds it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

from ._native import wa as native


def _is(kind: type, value: Any) -> None:
    if not isinstance(value, kind):
        raise TypeError(f"argument must be {kind.__name__}, not {type(value).__name__}")


def _check_time(value: Any) -> None:
    _is(datetime, value)
    if value.utcoffset() is None:
        raise ValueError("an aware datetime is wanted: this one has no time zone")


def _check_text(value: Any) -> None:
    _is(str, value)
    # Half a surrogate pair has no form in UTF-8: a `UnicodeEncodeError`, which is a `ValueError`.
    value.encode()


def _check_list(check: Callable[[Any], None], value: Any) -> None:
    # A generator would be used up by the check itself.
    len(value)
    check(value)


_CHECKS: dict[str, Callable[[Any], None]] = {
    "Timestamp": _check_time,
    "String": _check_text,
    # Within a record neither another kind of bytes nor of truth can be handed over.
    "Bytes": partial(_is, bytes),
    "Boolean": partial(_is, bool),
}


def install() -> None:
    """Gives these checks to the generated code, which makes them of all arguments, and of what is in them, before it begins."""
    converters = {name: kind for name, kind in vars(native).items() if name.startswith("_UniffiFfiConverter")}
    for kind, check in _CHECKS.items():
        setattr(converters[f"_UniffiFfiConverter{kind}"], "check_lower", staticmethod(check))
    for name, converter in converters.items():
        if name.startswith("_UniffiFfiConverterSequence"):
            setattr(converter, "check_lower", staticmethod(partial(_check_list, converter.check_lower)))
