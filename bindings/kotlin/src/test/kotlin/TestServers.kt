package io.github.wa.tests

import io.github.wa.*
import java.nio.file.Path
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.filterIsInstance
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.mapNotNull
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout

val PATIENCE: Duration = 60.seconds

/** A test with a server of its own. */
fun onTestServer(patience: Duration = PATIENCE * 3, test: suspend TestedServer.() -> Unit): Unit = runBlocking(Dispatchers.Default) {
    withTimeout(patience) {
        TestServer.start().use { server ->
            val tested = TestedServer(server, this)
            try {
                tested.test()
            } finally {
                tested.clients.forEach { it.use {} }
            }
        }
    }
}

class TestedServer(val server: TestServer, scope: CoroutineScope) : CoroutineScope by scope {
    val clients = mutableListOf<Client>()

    val options = ClientOptions(testServer = server)

    fun phone(name: String): TestPhone = server.phone(name)

    /** A device that is linked to the phone of this name. */
    suspend fun link(name: String): Client {
        val client = Store.memory().use { Client.connect(it, options) }
        clients += client
        pair(client, phone(name))
        return client
    }
}

/** Lets the phone scan the first QR code, and waits for the login. Returns the device. */
suspend fun pair(client: Client, phone: TestPhone): String = withTimeout(PATIENCE) {
    var device = ""
    client.events().first { event ->
        if (event is Event.PairingQr) device = phone.scan(event.text)
        event is Event.Connected
    }
    device
}

suspend fun nextMessage(client: Client): MessageReceived = client.next<Event.Message>().message

/** The next event of this kind. What was not of it is gone. */
suspend inline fun <reified E : Event> Client.next(): E = withTimeout(PATIENCE) { events().filterIsInstance<E>().first() }

suspend fun linkedAccount(manager: ClientManager, phone: TestPhone, name: String): Account = withTimeout(PATIENCE) {
    val account = manager.create(AccountSpec(name = name))
    account.pair(PairRequest()).use { ticket ->
        ticket.updates().first { update ->
            when (update) {
                is PairingUpdate.Qr -> phone.scan(update.text)
                is PairingUpdate.Failed -> throw AssertionError(update.detail)
                else -> {}
            }
            update is PairingUpdate.Linked
        }
    }
    account.reached(AccountStatus.READY)
    account
}

/** Waits until it holds. */
suspend fun until(isSo: suspend () -> Boolean): Unit = withTimeout(PATIENCE) {
    while (!isSo()) delay(10.milliseconds)
}
