package io.github.wa.tests

import io.github.wa.*
import java.nio.file.Path
import java.time.Duration
import java.time.Instant
import kotlin.test.assertContentEquals
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertFalse
import kotlin.test.assertIs
import kotlin.test.assertNotEquals
import kotlin.test.assertNotNull
import kotlin.test.assertTrue
import kotlinx.coroutines.async
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.withTimeout
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir

/** The faults that a bot can be tested with, and what is told of them; and what the host ends itself. */
class FaultsTest {
    @TempDir
    lateinit var folder: Path

    /** Each is told as what it is, and what can be mended is. */
    @Test
    fun faults() = onTestServer {
        val (client, other) = link("anna") to link("bob")
        val (anna, bob) = phone("anna") to phone("bob")
        val device = anna.linkedDevices().single()

        server.refuseNext(device, 400u)
        val refused = assertFailsWith<WaException.Refused> { client.send(bob.address(), Message.text("refused")) }
        assertEquals("refused_400", refused.code)
        client.send(bob.address(), Message.text("taken"))
        assertEquals("taken", bob.nextMessage().text)

        server.garbleNext(device, 1u)
        val garbled = bob.sendText(anna.address(), "garbled")
        assertEquals(garbled, client.next<Event.Undecryptable>().key.id)
        val again = nextMessage(client)
        assertEquals(garbled to "garbled", again.id to again.text)

        // What comes twice is told once, and what is late comes behind.
        server.duplicateNext(device, 1u)
        for (text in listOf("twice", "once")) bob.sendText(anna.address(), text)
        assertEquals(listOf<String?>("twice", "once"), List(2) { nextMessage(client).text })
        server.reorderNext(device, 1u)
        for (text in listOf("one", "two")) bob.sendText(anna.address(), text)
        assertEquals(listOf<String?>("two", "one"), List(2) { nextMessage(client).text })

        // Sent once, and acknowledged when it is connected anew.
        server.dropAcks(device, 1u)
        val sending = async { client.send(bob.address(), Message.text("no ack")) }
        val arrived = bob.nextMessage()
        assertEquals("no ack", arrived.text)
        assertFalse(sending.isCompleted)
        assertTrue(server.disconnect(device))
        assertEquals(arrived.id, sending.await().id)
        client.next<Event.Connected>()
        client.send(bob.address(), Message.text("after it"))
        assertEquals("after it", bob.nextMessage().text)

        server.refuseLogins(device, 503u, 1u)
        assertTrue(server.disconnect(device))
        assertEquals("refused" to NextStep.WAIT, closings(client) { it is Event.Connected }.last().let { it.code to it.nextStep })

        // The phone still has the file.
        val content = ByteArray(3000) { 1 }
        other.send(anna.address(), Message.image(other.upload(content, MediaKind.IMAGE)))
        val received = nextMessage(client)
        until { anna.nextMessage().id == received.id }
        val file = assertIs<Content.Image>(received.content).file
        assertTrue(server.loseFile(file))
        val gone = assertFailsWith<WaException.Media> { client.downloadBytes(file, 5000u) }
        assertEquals("gone", gone.code)
        val found = client.requestReupload(received.key, file, Duration.ofSeconds(20))
        assertContentEquals(content, client.downloadBytes(found, 5000u))

        // For an hour, whoever asks.
        server.ban(device, 101u, Duration.ofHours(1))
        assertTrue(server.disconnect(device))
        val banned = closings(client) { it is Event.Disconnected && it.reason.code == "banned" }.last()
        assertEquals(NextStep.WAIT_UNTIL, banned.nextStep)
        assertTrue(assertNotNull(banned.until) > Instant.now() + Duration.ofMinutes(50))
        val early = assertFailsWith<WaException.Restricted> { client.reconnect() }
        assertEquals("banned" to banned.until, early.code to early.until)
        assertNotNull(early.retryAfter)
    }

    @Test
    fun faultsAreEnded() = onTestServer {
        val (client, bob) = link("anna") to phone("bob")
        val device = phone("anna").linkedDevices().single()
        server.refuseNext(device, 400u)
        server.refuseMedia(503u, 1000u)
        server.clearFaults()
        client.send(bob.address(), Message.text("taken"))
        assertEquals("taken", bob.nextMessage().text)
        client.upload(ByteArray(3000), MediaKind.IMAGE)

        assertEquals("no_account", assertFailsWith<WaException.NotFound> { server.refuseNext("19995550000@s.whatsapp.net", 400u) }.code)
        assertEquals("no_client", assertFailsWith<WaException.Invalid> { server.refuseLogins(bob.address(), 503u, 1u) }.code)
    }

    @Test
    fun aPairingCodeIsRefused() = onTestServer {
        Store.memory().use { Client.connect(it, options) }.use { client ->
            client.next<Event.PairingQr>()
            server.refusePairingCode(400u)
            val refused = assertFailsWith<WaException.Refused> { client.pairWithCode(phone("anna").number()) }
            assertEquals("pairing_refused", refused.code)
            assertEquals(8, client.pairWithCode(phone("anna").number()).filter(Char::isLetterOrDigit).length)
        }
    }

    @Test
    fun mediaHostsFail() = onTestServer {
        val client = link("anna")
        val content = ByteArray(3000) { 1 }
        val file = client.upload(content, MediaKind.IMAGE)
        server.refuseMedia(503u, 1000u)
        assertEquals("media_hosts", assertFailsWith<WaException.Unavailable> { client.upload(content, MediaKind.IMAGE) }.code)
        server.clearFaults()
        server.tamperDownloads(1000u)
        assertEquals("tampered", assertFailsWith<WaException.Media> { client.downloadBytes(file, 5000u) }.code)
        server.clearFaults()
        assertContentEquals(content, client.downloadBytes(file, 5000u))
    }

    @Test
    fun aConnectionThatIsRefusedIsTriedAgain() = onTestServer {
        val client = link("anna")
        val device = phone("anna").linkedDevices().single()
        server.refuseConnections(1u)
        assertTrue(server.disconnect(device))
        assertEquals(2, closings(client) { it is Event.Connected }.size)
        assertTrue(server.isOnline(device))

        // For good, until somebody wants it back.
        client.disconnect()
        server.waitOffline(device)
        assertFalse(server.isOnline(device))
        server.refuseLogins(device, 501u, 1u)
        client.reconnect()
        closings(client) { it is Event.Closed && it.reason.code == "refused" }
        val reason = assertNotNull(client.closeReason())
        assertEquals("refused" to NextStep.RECONNECT, reason.code to reason.nextStep)
        assertEquals(Status.CLOSED, client.status())
        client.reconnect()
        closings(client) { it is Event.Connected }
        server.waitOnline(device)
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
                assertTrue(stream.drain(10u).isNotEmpty())
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

    /** Why connections ended, until this event. */
    private suspend fun closings(client: Client, isLast: (Event) -> Boolean): List<CloseReason> = withTimeout(PATIENCE) {
        val reasons = mutableListOf<CloseReason>()
        client.events().first { event ->
            if (event is Event.Disconnected) reasons += event.reason
            isLast(event)
        }
        reasons
    }
}
