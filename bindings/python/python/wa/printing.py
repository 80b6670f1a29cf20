"""How values of the library print, compare and hash. The generated classes show no fields, and all of them when they are
told to: also secrets."""

from __future__ import annotations

import enum
from typing import Any

from ._native import wa as native

# What links a phone to an account, lets into a group, or opens a file, is not for logs. Most of it is a `Secret` by its type.
OTHER_SECRETS = {"PasskeySignature": {"credential_id", "assertion"}}


def _secrets(kind: type[Any]) -> set[str]:
    """The fields that are not shown. In the generated source, annotations are texts."""
    fields = getattr(kind, "__init__").__annotations__
    declared = {name for name, annotation in fields.items() if annotation == "Secret"}
    return declared | OTHER_SECRETS.get(kind.__name__, set())


def _printed(self: Any) -> str:
    kind = type(self)
    hidden = _secrets(kind)
    fields = (f"{name}={'...' if name in hidden else repr(value)}" for name, value in vars(self).items())
    return f"{kind.__name__}({', '.join(fields)})"


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
