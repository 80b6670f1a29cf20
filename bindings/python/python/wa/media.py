"""Files in pieces, so that none is held whole."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable
from typing import Any, overload

from ._native.wa import Account, Attachment, Client, InboundMessage, MediaKind, MediaWriter

WINDOW = 1 << 19


async def upload(
    client: Client | Account, pieces: Iterable[bytes] | AsyncIterable[bytes], kind: MediaKind
) -> Attachment:
    """Uploads a file that comes in pieces of any size."""
    writer = client.upload(kind)
    try:
        if isinstance(pieces, AsyncIterable):
            async for piece in pieces:
                await _write(writer, piece)
        else:
            for piece in pieces:
                await _write(writer, piece)
        return await writer.finish()
    finally:
        writer.cancel()


async def _write(writer: MediaWriter, piece: bytes) -> None:
    at = 0
    while at < len(piece):
        # Of a large piece, no more is copied than there may be room for.
        taken = writer.write(piece[at : at + WINDOW])
        at += taken
        if not taken:
            await writer.ready()


@overload
def download(client: Client, file: Attachment) -> AsyncIterator[bytes]: ...
@overload
def download(client: Account, file: InboundMessage) -> AsyncIterator[bytes]: ...
async def download(client: Any, file: Any) -> AsyncIterator[bytes]:
    """Downloads a file in pieces; for an account of a manager, that of a message. That it is whole is proven by its end only: after an error, what came is worth nothing."""
    reader = client.download(file)
    try:
        while await reader.ready():
            while piece := reader.take():
                yield piece
    finally:
        reader.cancel()
