"""Files by path and in pieces, so that none is held whole."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from os import PathLike, fspath
from typing import Any, BinaryIO, overload

from ._native.wa import Account, Attachment, Client, InboundMessage, MediaKind, MediaWriter

WINDOW = 1 << 19
# What the library moves at once.
PIECE = 1 << 16


async def upload(
    client: Client | Account,
    file: str | PathLike[str] | bytes | bytearray | memoryview | BinaryIO | Iterable[bytes] | AsyncIterable[bytes],
    kind: MediaKind,
) -> Attachment:
    """Uploads a file: of this path, these bytes, one that was opened in binary mode, or one that comes in pieces of any size."""
    if isinstance(file, (str, PathLike)):
        return await client.upload_file(fspath(file), kind)
    writer = client.upload(kind)
    try:
        async for piece in _pieces(file):
            await _write(writer, piece)
        return await writer.finish()
    finally:
        writer.cancel()


async def _pieces(file: Any) -> AsyncIterator[Any]:
    if isinstance(file, (bytes, bytearray, memoryview)):
        yield file
    elif isinstance(file, AsyncIterable):
        async for piece in file:
            yield piece
    elif hasattr(file, "read"):
        # A file's own pieces are lines.
        while piece := await asyncio.to_thread(file.read, WINDOW):
            yield piece
    else:
        for piece in file:
            yield piece


async def _write(writer: MediaWriter, piece: Any) -> None:
    view = memoryview(piece).cast("B")
    for at in range(0, len(view), PIECE):
        # Copied once, however often there is no room for it.
        part = bytes(view[at : at + PIECE])
        while part:
            taken = writer.write(part)
            part = part[taken:]
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


@overload
async def download_to(client: Client, file: Attachment, path: str | PathLike[str]) -> None: ...
@overload
async def download_to(client: Account, file: InboundMessage, path: str | PathLike[str]) -> None: ...
async def download_to(client: Any, file: Any, path: str | PathLike[str]) -> None:
    """Downloads a file to this path; for an account of a manager, that of a message."""
    await client.download_file(file, fspath(path))
