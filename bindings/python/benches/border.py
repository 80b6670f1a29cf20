"""What the way into the library costs from Python: calls, events, and a large file. All on the test server, in this
process. Prints, and fails when something does not work, or when a file is held whole. Looks into /proc, and so is for Linux.

    python border.py            # as it is meant
    python border.py --quick    # that it works
"""

from __future__ import annotations

import asyncio
import resource
import sys
import tempfile
import time
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import wa

T = TypeVar("T")

QUICK = "--quick" in sys.argv
CALLS = 200 if QUICK else 20_000
EVENTS = 100 if QUICK else 900
MEGABYTES = 64 if QUICK else 100
MEMORY = 16  # MiB that a transfer may hold at most beside the server's copy, however large the file is


def line(what: str, number: float, unit: str) -> None:
    print(f"{what:<44} {number:>10.2f} {unit}")


def resident() -> float:
    """What the process holds, MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / (1 << 20)


def forget_peak() -> None:
    """What the process held at most is counted from now on."""
    Path("/proc/self/clear_refs").write_text("5")


def peak() -> float:
    """What the process held at most, MiB."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


async def linked(server: wa.TestServer, name: str) -> wa.Client:
    client = await wa.connect(wa.Store.memory(), test_server=server)
    async for event in wa.events(client):
        if isinstance(event, wa.Event.PAIRING_QR):
            await server.phone(name).scan(event.text)
        elif isinstance(event, wa.Event.CONNECTED):
            break
    return client


async def calls(client: wa.Client) -> None:
    start = time.perf_counter()
    for _ in range(CALLS):
        client.status()
    line("a synchronous call", (time.perf_counter() - start) / CALLS * 1e6, "us")
    start = time.perf_counter()
    for _ in range(CALLS):
        await client.own_addresses()
    line("an asynchronous call that an account answers", (time.perf_counter() - start) / CALLS * 1e6, "us")


async def send_events(server: wa.TestServer, client: wa.Client) -> str:
    """Lets messages wait for whoever takes them. Returns the id of the last one."""
    sender, receiver = server.phone("bob"), server.phone("anna")
    for number in range(EVENTS):
        last = await sender.send_text(receiver.address(), f"event {number}")
    stream = client.events()
    while stream.waiting() < EVENTS:
        await asyncio.sleep(0.01)
    return last


async def events(server: wa.TestServer, client: wa.Client) -> None:
    last = await send_events(server, client)
    stream, taken, spent, is_last = client.events(), 0, 0.0, False
    while taken < EVENTS:
        await stream.ready()
        start = time.perf_counter()
        batch = stream.drain(64)
        spent += time.perf_counter() - start
        for event in batch:
            if isinstance(event, wa.Event.MESSAGE):
                taken += 1
                stream.confirm(event.message.number)
                is_last = event.message.id == last
    assert is_last
    line("an event with a message, taken", spent / EVENTS * 1e6, "us")
    line("events with messages, taken", EVENTS / spent, "/s")
    # As a program takes them: one by one, each confirmed when the next is asked for.
    last = await send_events(server, client)
    start, taken = time.perf_counter(), 0
    async for event in wa.events(client):
        if isinstance(event, wa.Event.MESSAGE):
            taken += 1
            if event.message.id == last:
                break
    spent = time.perf_counter() - start
    assert taken >= EVENTS
    line("an event with a message, in the loop", spent / EVENTS * 1e6, "us")
    line("events with messages, in the loop", EVENTS / spent, "/s")


async def media(client: wa.Client, folder: Path) -> None:
    piece = bytes(1 << 16)
    path = folder / "out.bin"
    with path.open("wb") as out:
        for _ in range(MEGABYTES * 16):
            out.write(piece)

    def pieces() -> Iterator[bytes]:
        with path.open("rb") as opened:
            while read := opened.read(1 << 16):
                yield read

    async def down() -> None:
        length = 0
        async for read in wa.download(client, file):
            length += len(read)
        assert length == MEGABYTES << 20

    file = await moved("up, by path", wa.upload(client, path, wa.MediaKind.DOCUMENT))
    await moved("up, in pieces", wa.upload(client, pieces(), wa.MediaKind.DOCUMENT))
    await moved("down, by path", wa.download_to(client, file, folder / "in.bin"))
    await moved("down, in pieces", down())


async def moved(what: str, work: Coroutine[Any, Any, T]) -> T:
    forget_peak()
    held, start = resident(), time.perf_counter()
    given = await work
    line(f"{MEGABYTES} MB {what}", time.perf_counter() - start, "s")
    # The server, which is in this process, keeps what comes up, and answers with a copy. One that holds less hides what
    # the client holds.
    more = peak() - held - MEGABYTES
    line(f"{MEGABYTES} MB {what}, memory", more, "MiB")
    assert -MEMORY < more, "the server holds less than a file"
    assert more < MEMORY, "a file is held whole"
    return given


async def main() -> None:
    server = await wa.TestServer.start()
    client = await linked(server, "anna")
    await calls(client)
    await events(server, client)
    with tempfile.TemporaryDirectory() as folder:
        await media(client, Path(folder))
    await client.shutdown()


asyncio.run(main())
