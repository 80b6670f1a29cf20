"""WhatsApp's multi-device protocol: one account, or many in one process.

::

    import asyncio
    import wa

    async def main() -> None:
        async with wa.connect("account.db") as client:
            async for event in wa.events(client):
                match event:
                    case wa.Event.PAIRING_QR(text=text):
                        print("scan:", text)
                    case wa.Event.MESSAGE(message=message) if not message.from_me and message.text:
                        await client.send(message.chat, wa.Message.text(message.text))

    asyncio.run(main())

Everything that waits is a coroutine of the running event loop, and cancelling it ends the work. Errors are
:class:`WaError`; their classes say what to do (:mod:`wa.errors`).
"""

from __future__ import annotations

import atexit
from datetime import timedelta

from . import errors
from ._native import wa as _wa
from ._native.wa import (
    Account,
    AccountSendOptions,
    AccountSettings,
    AccountSnapshot,
    AccountSpec,
    AccountStatus,
    Attachment,
    AudioOptions,
    BatchItem,
    Call,
    Cancellation,
    Card,
    ChatKind,
    ChatSettings,
    Client,
    ClientManager,
    ClientOptions,
    CloseReason,
    CommandOutcome,
    Contact,
    Content,
    ContentButton,
    ContentRow,
    CreatedGroup,
    DocumentOptions,
    Event,
    EventSelection,
    Group,
    GroupMember,
    GroupSetting,
    ImageOptions,
    JoinOutcome,
    JoinRequest,
    LimitChoice,
    LimitInfo,
    LinkOptions,
    LogLevel,
    ManagerEvent,
    ManagerHealth,
    ManagerOptions,
    ManagerUpdate,
    MediaKind,
    MediaReader,
    MediaStorage,
    MediaWriter,
    MemberOutcome,
    MemberRole,
    Message,
    MessageKey,
    MessageReceived,
    NextStep,
    NumberStatus,
    OccasionOptions,
    PairingTicket,
    PairingUpdate,
    PairRequest,
    PastMessage,
    PhoneMessage,
    PollOptions,
    Preview,
    QueuedMessage,
    Reason,
    ReceiptKind,
    RestoreReport,
    Restriction,
    SendOptions,
    SendResult,
    SendState,
    Sent,
    Status,
    StickerOptions,
    Store,
    TestPhone,
    TestServer,
    Trust,
    TypingState,
    UserInfo,
    VideoKind,
    VideoOptions,
    address_of_number,
    card_of_number,
    configure,
    shutdown,
)
from .errors import WaError
from .logs import forward_logs
from .media import download, upload
from .opening import connect, open_manager
from .streams import events, manager_events, updates

__all__ = [name for name in dir() if not name.startswith("_") and name not in {"annotations", "atexit", "timedelta"}]

# A thread of the library that calls back while the interpreter ends would abort the process.
atexit.register(shutdown, timedelta(seconds=5))
