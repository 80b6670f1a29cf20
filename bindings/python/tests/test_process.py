"""What concerns the whole process, each in one of its own."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest


def run(program: str, first: str = "") -> subprocess.CompletedProcess[str]:
    program = f"{first}\n{textwrap.dedent(program)}"
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300)


def test_shutdown_ends_everything() -> None:
    done = run(
        """
        import asyncio, datetime, wa

        async def main():
            assert wa.configure(1)
            server = await wa.TestServer.start()
            client = await wa.connect(wa.Store.memory(), test_server=server)
            stream = client.events()
            waits = asyncio.create_task(seen(stream))
            await asyncio.sleep(0)
            assert not wa.configure(2), "it runs already"
            wa.shutdown(datetime.timedelta(seconds=5))
            await asyncio.wait_for(waits, 30)
            try:
                await client.ready()
            except wa.errors.ClosedError as closed:
                print("closed", closed.code)

        async def seen(stream):
            while await stream.ready():
                stream.drain(10)

        asyncio.run(main())
        """
    )
    assert (done.returncode, done.stdout) == (0, "closed shutdown\n"), done.stderr


def test_a_cancelled_exit_is_in_order() -> None:
    done = run(
        """
        import asyncio, wa

        kept = []

        async def use(leaves):
            server = await wa.TestServer.start()
            async with wa.connect(wa.Store.memory(), test_server=server) as client:
                kept.append(client)
                leaves.set()

        async def main():
            leaves = asyncio.Event()
            task = asyncio.create_task(use(leaves))
            await leaves.wait()
            # It is at the exit now, and is not let off it.
            for _ in range(3):
                assert not task.done()
                task.cancel()
                await asyncio.sleep(0)
            await task

        try:
            asyncio.run(main())
        except asyncio.CancelledError:
            print("cancelled", kept[0].status())
        """
    )
    assert (done.returncode, done.stdout) == (0, "cancelled Status.CLOSED\n"), done.stderr


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_process_that_ends_with_streams_open(loop: str) -> None:
    first = "import uvloop; uvloop.install()" if loop == "uvloop" else ""
    done = run(
        """
        import asyncio, os, threading, time, wa

        kept, waits, called = [], threading.Event(), threading.Event()

        async def open_client():
            server = await wa.TestServer.start()
            client = await wa.connect(wa.Store.memory(), test_server=server)
            kept.append((server, client))
            return client

        # A loop in a thread of its own: it took the first event, and waits for the next.
        async def wait():
            stream = (await open_client()).events()
            kept.append(stream)
            await stream.ready()
            stream.drain(1000)
            waiting = asyncio.ensure_future(stream.ready())
            await asyncio.sleep(0)
            kept.append(waiting)
            waits.set()
            await waiting

        # A listener, which is at its first event when the interpreter ends.
        async def listen():
            kept.append(wa.listen(await open_client(), hear))

        def hear(event):
            called.set()
            time.sleep(0.2)

        threading.Thread(target=lambda: asyncio.run(wait()), daemon=True).start()
        waits.wait()
        asyncio.run(listen())
        called.wait()
        assert not any(one.done() for one in kept if isinstance(one, asyncio.Task))
        threads = [open(f"/proc/self/task/{id}/comm").read().strip() for id in os.listdir("/proc/self/task")]
        assert "wa-listener" in threads, threads
        print("done")
        """,
        first,
    )
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr


FOOTPRINT = """
    import asyncio, async_timeout, datetime, gc, os, resource, tempfile, wa

    def descriptors():
        return len(os.listdir("/proc/self/fd"))

    def sockets():
        names = os.listdir("/proc/self/fd")
        return sum("socket:" in os.path.realpath(f"/proc/self/fd/{name}") for name in names)

    def threads():
        return len(os.listdir("/proc/self/task"))

    def footprint():
        gc.collect()
        usage = wa.runtime_usage()
        return usage.calls, usage.tasks, descriptors(), threads()

    def memory():
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * resource.getpagesize()

    async def returns_to(before, resident):
        async with async_timeout.timeout(60):
            while any(now > was for now, was in zip(footprint(), before)):
                await asyncio.sleep(0.01)
        # Little for ten thousand of anything.
        assert memory() < resident + (16 << 20), (resident, memory())

    async def next_qr(client):
        async for event in wa.events(client):
            if isinstance(event, wa.Event.PAIRING_QR):
                return event.text
    """


def test_created_and_dropped_10000_times() -> None:
    done = run(
        FOOTPRINT
        + """
    async def main():
        server, over_tls = await wa.TestServer.start(), await wa.TestServer.start_on_sockets()
        idle = sockets()

        async def cycle(count, path):
            most = 0
            for number in range(count):
                # Some have a socket, some a file.
                has_socket, has_file = number % 20 == 0, number % 20 == 10
                store = wa.Store.sqlite(path) if has_file else wa.Store.memory()
                client = await wa.connect(store, test_server=over_tls if has_socket else server)
                # Some are dropped while they connect, some once they are connected.
                if number % 10 == 0:
                    await next_qr(client)
                    most = max(most, sockets())
                if has_file:
                    # A file is one client's at a time: this one ends in order.
                    await client.shutdown()
            return most

        with tempfile.TemporaryDirectory() as folder:
            path = f"{folder}/account.db"
            # What is kept once is there by then.
            await cycle(500, path)
            before, resident = footprint(), memory()
            assert await cycle(10_000, path) > idle, "no socket was seen"
            assert os.path.exists(path), "no file was seen"
            await returns_to(before, resident)
            async with async_timeout.timeout(60):
                while sockets() > idle:
                    await asyncio.sleep(0.01)
        print("done")

    asyncio.run(main())
    """
    )
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr


def test_cancelled_10000_times() -> None:
    done = run(
        FOOTPRINT
        + """
    async def main():
        server = await wa.TestServer.start_on_sockets()
        anna, bob = server.phone("anna"), server.phone("bob")
        idle = sockets()
        client = await wa.connect(wa.Store.memory(), test_server=server)
        await anna.scan(await next_qr(client))
        async for event in wa.events(client):
            if isinstance(event, wa.Event.CONNECTED):
                break
        assert sockets() > idle, "no socket was seen"

        async def cancel(count):
            for _ in range(count // 100):
                # A hundred wait for what never comes, the others for the service.
                coroutines = [client.check_numbers([bob.number()]) for _ in range(50)]
                coroutines += [bob.next_message() for _ in range(100)]
                calls = [asyncio.create_task(coroutine) for coroutine in coroutines]
                # All of them begin.
                await asyncio.sleep(0)
                for call in calls:
                    call.cancel()
                ends = await asyncio.gather(*calls, return_exceptions=True)
                assert all(isinstance(end, (asyncio.CancelledError, list)) for end in ends), ends

        await cancel(1_000)
        before, resident = footprint(), memory()
        cancelled = wa.runtime_usage().cancelled_calls
        await cancel(10_000)
        # Those to the service may have been answered before they were given up, the others not.
        assert wa.runtime_usage().cancelled_calls >= cancelled + 10_000
        await returns_to(before, resident)
        await client.send(bob.address(), wa.Message.text("still here"))
        assert (await bob.next_message()).text == "still here"
        await client.shutdown()
        async with async_timeout.timeout(60):
            while sockets() > idle:
                await asyncio.sleep(0.01)
        print("done")

    asyncio.run(main())
    """
    )
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr


def test_what_is_broken_off_leaves_nothing_behind() -> None:
    """Calls and connections on sockets, listeners, managers, and files that are read and written."""
    done = run(
        FOOTPRINT
        + """
    async def main():
        server = await wa.TestServer.start_on_sockets()
        anna, bob = server.phone("anna"), server.phone("bob")
        bare = descriptors()
        client = await wa.connect(wa.Store.memory(), test_server=server)
        await anna.scan(await next_qr(client))
        async for event in wa.events(client):
            if isinstance(event, wa.Event.CONNECTED):
                break
        assert descriptors() > bare, "no socket was seen"
        file = await wa.upload(client, bytes(1 << 20), wa.MediaKind.DOCUMENT)
        seen = {"thread of a listener": 0, "files of a manager": 0}

        async def breaks_off():
            calls = [asyncio.create_task(client.check_numbers([bob.number()])) for _ in range(3)]
            other = await wa.connect(wa.Store.memory(), test_server=server)
            calls.append(asyncio.create_task(next_qr(other)))
            await asyncio.sleep(0)
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)

        async def listens(number):
            before = threads()
            other = await wa.connect(wa.Store.memory(), test_server=server)
            loop, heard = asyncio.get_running_loop(), asyncio.Event()
            subscription = wa.listen(other, lambda event: loop.call_soon_threadsafe(heard.set))
            await heard.wait()
            seen["thread of a listener"] += threads() > before
            if number % 2:
                subscription.stop()

        async def manages(number):
            before = descriptors()
            with tempfile.TemporaryDirectory() as folder:
                opening = wa.open_manager(folder, database=f"{folder}/manager.db", test_server=server)
                if number % 2:
                    async with opening as manager:
                        await manager.create()
                        seen["files of a manager"] += descriptors() > before
                else:
                    manager = await opening
                    await (await manager.create()).pair(wa.PairRequest())
                    await manager.shutdown(datetime.timedelta(seconds=10))

        async def moves(number):
            async for piece in wa.download(client, file):
                break
            reader, writer = client.download(file), client.upload(wa.MediaKind.DOCUMENT)
            writer.write(bytes(1 << 19))
            if number % 2:
                await reader.ready()
                reader.cancel()
                writer.cancel()

        async def cycle(count):
            for number in range(count):
                await breaks_off()
                await listens(number)
                await moves(number)
                if number % 5 == 0:
                    await manages(number // 5)

        await cycle(30)
        before, resident = footprint(), memory()
        await cycle(200)
        await returns_to(before, resident)
        assert all(seen.values()), seen
        print("done")

    asyncio.run(main())
    """
    )
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr


def test_a_refused_argument_leaves_nothing_behind() -> None:
    """What a call cannot take does not keep its object: who lets go of the client ends its connection."""
    done = run(
        FOOTPRINT
        + """
    async def main():
        server = await wa.TestServer.start_on_sockets()
        chat, naive, surrogate = server.phone("anna").address(), datetime.datetime.now(), "\\ud83d"
        newest = wa.NewestMessage(key=wa.MessageKey(chat=chat, id="X", from_me=True), at=naive)
        named = wa.SendOptions(idempotency_key=surrogate)
        before = footprint()

        async def refuses():
            client = await wa.connect(wa.Store.memory(), test_server=server)
            await next_qr(client)
            assert descriptors() > before[2], "no socket was seen"
            for _ in range(20):
                # As they are, and within an option, a list and a record.
                for call in (
                    client.pair_with_code(surrogate),
                    client.mute_chat(chat, naive),
                    client.check_numbers([surrogate]),
                    client.clear_chat(chat, newest),
                    client.send(chat, wa.Message.text("x"), named),
                ):
                    try:
                        await call
                    except (TypeError, ValueError):
                        continue
                    assert False, call

        await refuses()
        await returns_to(before, memory())
        print("done")

    asyncio.run(main())
    """
    )
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr


def test_a_process_that_ends_while_it_is_called() -> None:
    done = run(
        """
        import asyncio, logging, time, wa

        logging.basicConfig(level=logging.DEBUG, filename="/dev/null")
        wa.forward_logs(logging.DEBUG)

        def slow(event):
            started.set()
            time.sleep(0.2)

        async def main():
            server = await wa.TestServer.start()
            client = await wa.connect(wa.Store.memory(), test_server=server)
            loop = asyncio.get_running_loop()
            started.set = lambda: loop.call_soon_threadsafe(begun.set)
            listening = wa.listen(client, slow)
            await begun.wait()
            kept.append((server, client, listening))

        class started:
            set = None

        begun, kept = asyncio.Event(), []
        asyncio.run(main())
        print("done")
        """
    )
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr


def test_a_fork_is_refused() -> None:
    done = run(
        """
        import asyncio, os, sys, wa

        async def start():
            server = await wa.TestServer.start()
            client = await wa.connect(wa.Store.memory(), test_server=server, reads_history=True)
            return server, client, client.upload(wa.MediaKind.IMAGE)

        async def use(client, writer):
            events = client.events()
            events.drain(1000)
            assert not await events.ready()
            assert not await client.history().ready()
            for call in wa.TestServer.start, writer.finish:
                try:
                    await call()
                except wa.errors.ClosedError as error:
                    assert error.code == "forked"
                else:
                    assert False, call

        server, client, writer = asyncio.run(start())
        child = os.fork()
        if child == 0:
            try:
                asyncio.run(asyncio.wait_for(use(client, writer), 30))
            except BaseException as error:
                print(repr(error), file=sys.stderr, flush=True)
                os._exit(9)
            os._exit(7)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        """
    )
    assert (done.returncode, done.stdout) == (0, "7\n"), done.stderr
