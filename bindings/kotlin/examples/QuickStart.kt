import io.github.wa.*
import java.nio.file.Path
import kotlinx.coroutines.runBlocking

fun main() = runBlocking {
    Client.connect(Path.of("account.db")).use { client ->
        client.events().collect { event ->
            if (event is Event.PairingQr) println("scan: ${event.text}")
            if (event is Event.Message && event.message.text != null && !event.message.fromMe) {
                client.send(event.message.chat, Message.text("you said: ${event.message.text}"))
            }
        }
    }
}
