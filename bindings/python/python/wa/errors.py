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

WaError.__str__ = lambda self: self.message()

__all__ = [name for name in dir() if name.endswith("Error")]
