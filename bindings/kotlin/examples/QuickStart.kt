import io.github.wa.*
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.runBlocking

fun main() = runBlocking {
    val server = TestServer.start() // Without it: the real service, and your phone scans.
    val (bot, anna) = server.phone("bot") to server.phone("anna")
    Client.connect(Store.memory(), ClientOptions(testServer = server)).use { client ->
        client.events().first { event ->
            when (event) {
                is Event.PairingQr -> bot.scan(event.text)
                is Event.Connected -> anna.sendText(bot.address(), "ping")
                is Event.Message -> if (isAsked(event.message)) client.send(event.message.chat, Message.text("pong"))
                else -> {}
            }
            event is Event.Message && isAsked(event.message)
        }
        println("anna reads: ${anna.nextMessage().text}")
    }
}

/** By somebody else, and not in the status feed, a list or a channel: an answer to a status post would be a post of our own. */
fun isAsked(received: MessageReceived): Boolean =
    !received.fromMe && received.chatKind in listOf(ChatKind.DIRECT, ChatKind.GROUP)
