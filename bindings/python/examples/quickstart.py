import asyncio
import wa

# Not status posts, lists and channels: an answer there would be published in our name.
ANSWERED = (wa.ChatKind.DIRECT, wa.ChatKind.GROUP)


async def main() -> None:
    server = await wa.TestServer.start()  # Without it: the real service, and your phone scans.
    bot, anna = server.phone("bot"), server.phone("anna")
    async with wa.connect(wa.Store.memory(), test_server=server) as client:
        async for event in wa.events(client):
            match event:
                case wa.Event.PAIRING_QR(text=code):
                    await bot.scan(code)
                case wa.Event.CONNECTED():
                    await anna.send_text(bot.address(), "ping")
                case wa.Event.MESSAGE(message=message) if message.chat_kind in ANSWERED and not message.from_me:
                    await client.send(message.chat, wa.Message.text("pong"))
                    print("anna reads:", (await anna.next_message()).text)
                    break


asyncio.run(main())
