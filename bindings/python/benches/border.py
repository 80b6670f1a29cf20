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
from collections.abc import Iterator
from pathlib import Path

import wa

QUICK = "--quick" in sys.argv
CALLS = 200 if QUICK else 20_000
EVENTS = 100 if QUICK else 900
MEGABYTES = 4 if QUICK else 100
MEMORY = 32  # MiB that a download may hold at once, however large the file is


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


async def events(server: wa.TestServer, client: wa.Client) -> None:
    sender, receiver = server.phone("bob"), server.phone("anna")
    for number in range(EVENTS):
        last = await sender.send_text(receiver.address(), f"event {number}")
    stream, taken, spent = client.events(), 0, 0.0
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


async def media(client: wa.Client, folder: Path) -> None:
    piece = bytes(1 << 16)
    path = folder / "out.bin"
    with path.open("wb") as file:
        for _ in range(MEGABYTES * 16):
            file.write(piece)

    def pieces() -> Iterator[bytes]:
        with path.open("rb") as file:
            while read := file.read(1 << 16):
                yield read

    held = resident()
    start = time.perf_counter()
    file = await client.upload_file(str(path), wa.MediaKind.DOCUMENT)
    line(f"{MEGABYTES} MB up, by path", time.perf_counter() - start, "s")
    start = time.perf_counter()
    await wa.upload(client, pieces(), wa.MediaKind.DOCUMENT)
    line(f"{MEGABYTES} MB up, in pieces", time.perf_counter() - start, "s")
    line("memory that the two left, server and all", resident() - held, "MiB")
    # The server has what it will have: what is held more from now on is the download's.
    held = resident()
    forget_peak()
    start = time.perf_counter()
    await client.download_file(file, str(folder / "in.bin"))
    line(f"{MEGABYTES} MB down, by path", time.perf_counter() - start, "s")
    start, length = time.perf_counter(), 0
    async for read in wa.download(client, file):
        length += len(read)
    assert length == MEGABYTES << 20
    line(f"{MEGABYTES} MB down, in pieces", time.perf_counter() - start, "s")
    more = peak() - held
    line("memory while it came down, at most", more, "MiB")
    assert more < MEMORY, "a file is held whole"


async def main() -> None:
    server = await wa.TestServer.start()
    client = await linked(server, "anna")
    await calls(client)
    await events(server, client)
    with tempfile.TemporaryDirectory() as folder:
        await media(client, Path(folder))
    await client.shutdown()


asyncio.run(main())
