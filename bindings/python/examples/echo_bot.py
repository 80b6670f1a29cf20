"""A bot that answers what people write to it. Without arguments it runs on the test server, where a phone writes to it;
with the name of a file it links to the real service, and keeps the account there.

    python echo_bot.py
    python echo_bot.py account.db
"""

from __future__ import annotations

import asyncio
import contextlib
import sys

import wa

# Not status posts, lists and channels: an answer there would be published in our name.
ANSWERED = (wa.ChatKind.DIRECT, wa.ChatKind.GROUP)


async def echo(client: wa.Client) -> None:
    """The bot: one loop."""
    async for event in wa.events(client):
        match event:
            case wa.Event.PAIRING_QR(text=text):
                print("show this as a QR code, and scan it:", text)
            case wa.Event.CONNECTED():
                print("connected")
            case wa.Event.MESSAGE(message=message) if message.chat_kind in ANSWERED and not message.from_me:
                await answer(client, message)
            case wa.Event.CLOSED(reason=reason) | wa.Event.LOGGED_OUT(reason=reason):
                print("the connection ended:", reason.detail)
                return


async def answer(client: wa.Client, message: wa.MessageReceived) -> None:
    if not message.text:
        return
    text = wa.Message.text(f"you said: {message.text}").reply_to(message.key, message.message)
    # The message's id as a key: a message that comes again after a crash is answered once.
    options = wa.SendOptions(idempotency_key=message.id)
    try:
        await client.send(message.chat, text, options)
        await client.mark_read([message.key])
    except wa.WaError as error:
        # What comes later is answered all the same.
        print("an answer failed:", error, file=sys.stderr)


async def on_the_test_server() -> None:
    server = await wa.TestServer.start()
    anna, phone = server.phone("anna"), server.phone("bot")
    async with wa.connect(wa.Store.memory(), test_server=server) as client:
        async for event in wa.events(client):
            if isinstance(event, wa.Event.PAIRING_QR):
                await phone.scan(event.text)
            elif isinstance(event, wa.Event.CONNECTED):
                break
        bot = asyncio.create_task(echo(client))
        for text in ("hello", "is anybody there?"):
            await anna.send_text(phone.address(), text)
            answered = await anna.next_message()
            print(f"anna: {text}\nbot: {answered.text}")
        bot.cancel()
        with contextlib.suppress(asyncio.CancelledError):  # A bot that failed says here why.
            await bot


async def live(path: str) -> None:
    async with wa.connect(path, device_name="echo bot") as client:
        await echo(client)


if __name__ == "__main__":
    wa.forward_logs()
    asyncio.run(live(sys.argv[1]) if len(sys.argv) > 1 else on_the_test_server())
