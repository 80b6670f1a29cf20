"""What went wrong, by what to do next. All are :class:`WaError`, with ``code``, ``detail``, ``retry_after`` and ``until``."""

from ._native.wa import WaError

UnavailableError = WaError.Unavailable
NotLinkedError = WaError.NotLinked
LimitedError = WaError.Limited
RestrictedError = WaError.Restricted
RefusedError = WaError.Refused
InvalidError = WaError.Invalid
NotFoundError = WaError.NotFound
ConflictError = WaError.Conflict
UnknownError = WaError.Unknown
MediaError = WaError.Media
StoreError = WaError.Store
CancelledError = WaError.Cancelled
ClosedError = WaError.Closed
OtherError = WaError.Other

__all__ = [name for name in dir() if name.endswith("Error")]

WaError.__str__ = lambda self: self.message()
# Tracebacks name them as programs do.
for _name in __all__:
    _kind = globals()[_name]
    _kind.__module__, _kind.__name__, _kind.__qualname__ = __name__, _name, _name
    _kind.__repr__ = lambda self: f"{type(self).__name__}({self.message()!r})"
