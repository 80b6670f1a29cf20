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


def _parts(self):
    # An exception is made anew of its `args`, which are one joined text here.
    return type(self), (self.code, self.detail, self.retry_after, self.until), vars(self)


# Tracebacks name them as programs do.
for _name in __all__:
    _kind = globals()[_name]
    if _kind is not WaError:
        _kind.__reduce__ = _parts
    _kind.__module__, _kind.__name__, _kind.__qualname__ = __name__, _name, _name
    _kind.__repr__ = lambda self: f"{type(self).__name__}({self.message()!r})"
