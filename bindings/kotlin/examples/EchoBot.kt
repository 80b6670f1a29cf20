/*
 * A bot that answers what people write to it. Without arguments it runs on the test server, where a phone writes to it; with the
 * name of a file it links to the real service, and keeps the account there.
 */

import io.github.wa.*
import java.nio.file.Path
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.takeWhile
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking

/** The bot: one flow. */
suspend fun echo(client: Client) {
    client.events().takeWhile { it !is Event.Closed && it !is Event.LoggedOut }.collect { event ->
        when (event) {
            is Event.PairingQr -> println("show this as a QR code, and scan it: ${event.text}")
            is Event.Connected -> println("connected")
            is Event.Message -> answer(client, event.message)
            else -> {}
        }
    }
    println("the connection ended: ${client.closeReason()?.detail}")
}

suspend fun answer(client: Client, received: MessageReceived) {
    val text = received.text
    // An answer in the status feed, a list or a channel would be a post of our own.
    if (text == null || received.fromMe || received.chatKind !in listOf(ChatKind.DIRECT, ChatKind.GROUP)) return
    val answer = Message.text("you said: $text").replyTo(received.key, received.message)
    try {
        // The message's id as a key: a message that comes again after a crash is answered once.
        client.send(received.chat, answer, SendOptions(idempotencyKey = received.id))
        client.markRead(listOf(received.key))
    } catch (failure: WaException) {
        // Such as in a group that has removed us: what comes later is answered all the same.
        System.err.println("not answered, or not marked as read: ${failure.message()}")
    }
}

suspend fun onTheTestServer() = TestServer.start().use { server ->
    val (anna, phone) = server.phone("anna") to server.phone("bot")
    Client.connect(Store.memory(), ClientOptions(testServer = server)).use { client ->
        client.events().first { event ->
            if (event is Event.PairingQr) phone.scan(event.text)
            event is Event.Connected
        }
        coroutineScope {
            val bot = launch { echo(client) }
            for (text in listOf("hello", "is anybody there?")) {
                anna.sendText(phone.address(), text)
                val answer = anna.nextMessage()
                println("anna: $text\nbot: ${answer.text}")
            }
            bot.cancel()
        }
    }
}

suspend fun live(path: Path) = Client.connect(path, ClientOptions(deviceName = "echo bot")).use { echo(it) }

fun main(arguments: Array<String>) = runBlocking {
    forwardLogs()
    if (arguments.isEmpty()) onTheTestServer() else live(Path.of(arguments[0]))
}
