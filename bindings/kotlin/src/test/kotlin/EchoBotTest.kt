import io.github.wa.*
import io.github.wa.tests.onTestServer
import io.github.wa.tests.until
import kotlin.test.assertEquals
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.launch
import org.junit.jupiter.api.Test

/** How a bot is tested: here the one of examples/EchoBot.kt, which is in no package. */
class EchoBotTest {
    @Test
    fun aStatusPostIsNotAnswered() = onTestServer {
        val (client, anna, own) = Triple(link("bot"), phone("anna"), phone("bot"))
        // Whoever is a contact sees what the bot posts.
        client.putContact(Contact(address = anna.lid(), fullName = "Anna"))
        until { client.contacts().isNotEmpty() }
        val bot = launch { echo(client) }
        anna.sendStatus(listOf(own.address()), "on holiday")
        anna.sendText(own.address(), "hello")
        assertEquals("you said: hello", anna.nextMessage().text)
        // Its own phone has a copy of all that it sends.
        var copy = own.nextMessage()
        while (!copy.fromMe) copy = own.nextMessage()
        assertEquals("you said: hello", copy.text)
        bot.cancelAndJoin()
    }

    @Test
    fun itGoesOnWhereItCannotAnswer() = onTestServer {
        val (client, anna, own) = Triple(link("bot"), phone("anna"), phone("bot"))
        val bot = launch { echo(client) }
        server.refuseNext(own.linkedDevices().single(), 400u)
        for (text in listOf("hello", "is anybody there?")) anna.sendText(own.address(), text)
        assertEquals("you said: is anybody there?", anna.nextMessage().text)
        bot.cancelAndJoin()
    }
}
