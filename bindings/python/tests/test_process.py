"""What concerns the whole process, each in one of its own."""

from __future__ import annotations

import subprocess
import sys
import textwrap


def run(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=120
    )


def test_shutdown_ends_everything() -> None:
    done = run(
        """
        import asyncio, datetime, wa

        async def main():
            server = await wa.TestServer.start()
            client = await wa.connect(wa.Store.memory(), test_server=server)
            stream = client.events()
            waits = asyncio.create_task(seen(stream))
            await asyncio.sleep(0)
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


def test_a_process_ends_with_streams_open() -> None:
    done = run(
        """
        import asyncio, threading, wa

        async def main():
            server = await wa.TestServer.start()
            client = await wa.connect(wa.Store.memory(), test_server=server)
            asyncio.create_task(wait(client.events()))
            await asyncio.sleep(0)

        async def wait(stream):
            while await stream.ready():
                stream.drain(1)

        asyncio.run(main())
        # A second loop, in a thread that nobody waits for.
        threading.Thread(target=lambda: asyncio.run(main()), daemon=True).start()
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
            return await wa.TestServer.start()

        asyncio.run(start())
        child = os.fork()
        if child == 0:
            try:
                asyncio.run(start())
            except wa.errors.ClosedError as error:
                os._exit(7 if error.code == "forked" else 8)
            os._exit(9)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        """
    )
    assert (done.returncode, done.stdout) == (0, "7\n"), done.stderr
