from datetime import datetime, timedelta

class WaError(Exception):
    """Why a call failed. Its class says what to do next."""

    code: str
    """What happened, for programs: a name that stays."""
    detail: str
    """What happened, for people who look into it."""
    retry_after: timedelta | None
    """How long to wait before trying again, where that is known."""
    until: datetime | None
    """When what stands against it ends, where that is known."""

    def message(self) -> str: ...
    def is_retryable(self) -> bool: ...

class UnavailableError(WaError):
    """Not connected, or the service was not reached or did not answer. Try again."""

class NotLinkedError(WaError):
    """This device is not linked to a phone, or not any more. Pair it."""

class LimitedError(WaError):
    """A limit of the account is reached. Wait until ``until``, or for ``retry_after``."""

class RestrictedError(WaError):
    """The service forbids it to this account. Not before ``until``."""

class RefusedError(WaError):
    """The service said no. The same again is answered the same."""

class InvalidError(WaError):
    """What was given is not what is wanted. Change it."""

class NotFoundError(WaError):
    """There is no such thing."""

class ConflictError(WaError):
    """It is so already, or something else is under way."""

class UnknownError(WaError):
    """Nobody knows whether it was done. Try again under the same message id or key only."""

class MediaError(WaError):
    """A media file cannot be had, or is not what was sent."""

class StoreError(WaError):
    """The store failed, or a local file. Nothing was done. The code says what helps."""

class CancelledError(WaError):
    """It was called off, or its deadline passed. Nothing was done."""

class ClosedError(WaError):
    """The object, or the library, was shut down."""

class OtherError(WaError):
    """Something that this version has no name for."""
