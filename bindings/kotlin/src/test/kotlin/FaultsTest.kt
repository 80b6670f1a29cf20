package io.github.wa.tests

import io.github.wa.*
import java.nio.file.Path
import java.time.Duration
import java.time.Instant
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertFalse
import kotlin.test.assertNotEquals
import kotlin.test.assertNotNull
import kotlin.test.assertTrue
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.withTimeout
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir

/** The faults that a bot can be tested with, and what is told of them; and what the host ends itself. */
class FaultsTest {
    @TempDir
    lateinit var folder: Path

    @Test
    fun whatTheServiceRefusesIsTold() = onTestServer {
        val (client, bob) = link("anna") to phone("bob")
        server.refuseNext(405u)
        val refused = assertFailsWith<WaException.Refused> { client.send(bob.address(), Message.text("refused")) }
        assertEquals("refused_405", refused.code)
        server.refuseNext(405u)
        server.clearFaults()
        client.send(bob.address(), Message.text("taken"))
        assertEquals("taken", bob.nextMessage().text)

        Store.memory().use { Client.connect(it, options) }.use { unlinked ->
            unlinked.next<Event.PairingQr>()
            server.refusePairingCode(400u)
            val noCode = assertFailsWith<WaException.Refused> { unlinked.pairWithCode(bob.number()) }
            assertEquals("pairing_refused", noCode.code)
        }
    }

    @Test
    fun whatIsLostOnTheWayComesAgain() = onTestServer {
        val (client, bob) = link("anna") to phone("bob")
        client.send(bob.address(), Message.text("before"))
        bob.nextMessage()
        // Bob's receipt would tell that it arrived.
        bob.goOffline()
        server.dropAcks(1u)
        val id = client.enqueue(bob.address(), Message.text("no ack"))
        until { client.sentState(id) == SendState.Written }
        // The service answers in order: had it acknowledged that, it would be known here.
        client.checkNumbers(listOf(bob.number()))
        assertEquals<SendState?>(SendState.Written, client.sentState(id))
        server.disconnectAll()
        until { client.sentState(id) is SendState.Acked }
        bob.goOnline()
        assertEquals(id, bob.nextMessage().id)

        // One for our phone, and one for us.
        server.garbleNext(2u)
        val garbled = bob.sendText(phone("anna").address(), "garbled")
        assertEquals(garbled, client.next<Event.Undecryptable>().key.id)
        val again = nextMessage(client)
        assertEquals(garbled to "garbled", again.id to again.text)
    }

    @Test
    fun aConnectionThatIsRefusedIsTriedAgain() = onTestServer {
        val client = link("anna")
        val device = phone("anna").linkedDevices().single()

        suspend fun told(isLast: (Event) -> Boolean): List<CloseReason> = withTimeout(PATIENCE) {
            val reasons = mutableListOf<CloseReason>()
            client.events().first { event ->
                if (event is Event.Disconnected) reasons += event.reason
                isLast(event)
            }
            reasons
        }
        server.refuseConnections(1u)
        assertTrue(server.disconnect(device))
        assertEquals(2, told { it is Event.Connected }.size)
        client.disconnect()
        server.waitOffline(device)
        assertFalse(server.isOnline(device))
        server.refuseLogins(503u, 1u)
        client.reconnect()
        server.waitOnline(device)
        assertTrue(server.isOnline(device))
        assertEquals("refused" to NextStep.WAIT, told { it is Event.Connected }.last().let { it.code to it.nextStep })

        // For good, until somebody wants it back.
        client.disconnect()
        server.refuseLogins(501u, 1u)
        client.reconnect()
        told { it is Event.Closed && it.reason.code == "refused" }
        val reason = assertNotNull(client.closeReason())
        assertEquals("refused" to NextStep.RECONNECT, reason.code to reason.nextStep)
        assertEquals(Status.CLOSED, client.status())
        client.reconnect()
        told { it is Event.Connected }

        // For an hour, whoever asks.
        client.disconnect()
        server.ban(101u, Duration.ofHours(1))
        client.reconnect()
        val banned = told { it is Event.Disconnected && it.reason.code == "banned" }.last()
        assertEquals(NextStep.WAIT_UNTIL, banned.nextStep)
        assertTrue(assertNotNull(banned.until) > Instant.now() + Duration.ofMinutes(50))
        val early = assertFailsWith<WaException.Restricted> { client.reconnect() }
        assertEquals("banned" to banned.until, early.code to early.until)
    }

    @Test
    fun aDeviceThatThePhoneRemovesIsLinkedAnew() = onTestServer {
        val (client, anna) = link("anna") to phone("anna")
        val device = anna.linkedDevices().single()
        assertTrue(anna.removeDevice(device))
        assertFalse(anna.removeDevice(device))
        assertEquals("logged_out" to NextStep.PAIR_AGAIN, client.next<Event.LoggedOut>().reason.let { it.code to it.nextStep })
        assertEquals(Status.LOGGED_OUT, client.status())
        val unlinked = assertFailsWith<WaException.NotLinked> { client.send(anna.address(), Message.text("x")) }
        assertEquals("logged_out", unlinked.code)
        client.forget()
        client.reconnect()
        assertNotEquals(device, pair(client, anna))
        client.logout()
        assertEquals(listOf(), anna.linkedDevices())
    }

    @Test
    fun whatIsStoppedEnds() = onTestServer {
        Store.memory().use { Client.connect(it, options) }.use { client ->
            client.eventStream().use { stream ->
                assertTrue(stream.ready())
                assertTrue(stream.drain(10u).all { it.number == stream.numberOf(it) })
                stream.stop()
                assertFalse(stream.ready())
            }
        }
        ClientManager.open(folder, testServer = server).use { manager ->
            manager.eventStream(EventSelection(after = 0u)).use { stream ->
                manager.create()
                assertTrue(stream.ready())
                stream.stop()
                assertFalse(stream.ready())
            }
        }
        val client = link("anna")
        client.beginUpload(MediaKind.DOCUMENT).use { writer ->
            writer.cancel()
            assertEquals("ended", assertFailsWith<WaException.Closed> { writer.finish() }.code)
        }
        client.beginDownload(client.upload(ByteArray(1 shl 20), MediaKind.DOCUMENT)).use { reader ->
            reader.cancel()
            assertEquals("cancelled", assertFailsWith<WaException.Cancelled> { reader.ready() }.code)
        }
    }
}
