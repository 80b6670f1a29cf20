"""Ten accounts in one process, linked two at a time to phones of the test server; each writes to the next.

    python many_accounts.py
"""

from __future__ import annotations

import asyncio
import tempfile
from datetime import timedelta

import wa

COUNT = 10


async def link(manager: wa.ClientManager, phone: wa.TestPhone, two: asyncio.Semaphore) -> wa.Account:
    async with two:
        account = await manager.create(wa.AccountSpec(name=phone.name()))
        ticket = await account.pair(wa.PairRequest())
        async for update in wa.updates(ticket):
            match update:
                case wa.PairingUpdate.QR(text=text):
                    await phone.scan(text)
                case wa.PairingUpdate.LINKED(jid=jid):
                    print(f"{phone.name()} is {jid}")
                    break
                case wa.PairingUpdate.FAILED(detail=detail, hints=hints):
                    raise RuntimeError(f"{detail}: {hints}")
        await account.reached(wa.AccountStatus.READY)
        return account


async def main() -> None:
    server = await wa.TestServer.start()
    phones = [server.phone(f"account-{number}") for number in range(COUNT)]
    with tempfile.TemporaryDirectory() as folder:
        async with wa.open_manager(folder, database=f"{folder}/manager.db", test_server=server) as manager:
            two = asyncio.Semaphore(2)
            accounts = await asyncio.gather(*(link(manager, phone, two) for phone in phones))
            for account, phone in zip(accounts, phones[1:] + phones[:1]):
                # Whom an account knows is clear once its phone told of the past; a stranger waits for that.
                patient = wa.AccountSendOptions(on_limit=wa.choices.wait_up_to(timedelta(minutes=5)))
                await account.send(phone.address(), wa.Message.text(f"hello {phone.name()}"), patient)
            heard = 0
            async for update in wa.manager_events(manager, after=0, kinds=["message.received"]):
                if isinstance(update, wa.ManagerUpdate.EVENT) and update.event.message:
                    print(update.event.message.text)
                    heard += 1
                if heard == COUNT:
                    break
            for snapshot in await manager.accounts():
                print(snapshot.name, snapshot.status.name, f"{snapshot.trust.sent_today} sent today")


asyncio.run(main())
