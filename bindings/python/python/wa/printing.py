"""How values of the library print, compare and hash. The generated classes show no fields, and all of them when they are
told to: also those that link a phone."""

from __future__ import annotations

import enum
from typing import Any

from ._native import wa as native

# What links a phone to an account, or opens a file, is not for logs.
SECRETS = {
    "PAIRING_QR": {"text"},
    "PAIRING_CODE": {"code"},
    "PASSKEY_CHALLENGE": {"options"},
    "PASSKEY_CODE": {"code"},
    "PASSKEY_CONFIRM": {"code"},
    "REUPLOADED": {"place"},
    "QR": {"text"},
    "CODE": {"code"},
    "PasskeySignature": {"credential_id", "assertion"},
}


def _printed(self: Any) -> str:
    kind = type(self).__name__
    hidden = SECRETS.get(kind.rpartition(".")[2], set())
    fields = (f"{name}={'...' if name in hidden else repr(value)}" for name, value in vars(self).items())
    return f"{kind}({', '.join(fields)})"


def _equal(self: Any, other: object) -> bool:
    return vars(self) == vars(other) if type(self) is type(other) else NotImplemented


def _hash(self: Any) -> int:
    return hash((type(self), *vars(self).values()))


def _is_variant(kind: type) -> bool:
    """Of an enum whose variants have fields."""
    return "." in kind.__name__


def _is_record(kind: type) -> bool:
    return "__eq__" in vars(kind) and "__str__" in vars(kind)


def install() -> None:
    """Gives all values what is above."""
    kinds = [kind for kind in vars(native).values() if isinstance(kind, type)]
    kinds += [part for kind in kinds for part in vars(kind).values() if isinstance(part, type)]
    for kind in kinds:
        if kind.__module__ != native.__name__:
            continue
        if not issubclass(kind, (BaseException, enum.Enum)) and (_is_variant(kind) or _is_record(kind)):
            changes = {"__repr__": _printed, "__str__": _printed, "__eq__": _equal, "__hash__": _hash}
            for name, method in changes.items():
                setattr(kind, name, method)
