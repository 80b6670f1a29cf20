package io.github.wa.tests

import io.github.wa.*
import java.io.ByteArrayInputStream
import java.io.ByteArrayOutputStream
import java.nio.file.Path
import java.time.Duration
import java.util.Collections
import java.util.logging.Handler
import java.util.logging.Level
import java.util.logging.LogRecord
import java.util.logging.Logger
import kotlin.io.path.readBytes
import kotlin.io.path.writeBytes
import kotlin.test.assertContains
import kotlin.test.assertContentEquals
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertFalse
import kotlin.test.assertIs
import kotlin.test.assertNotNull
import kotlin.test.assertTrue
import kotlin.time.Duration.Companion.milliseconds
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.flow.asFlow
import kotlinx.coroutines.flow.filterIsInstance
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.map
import kotlinx.coroutines.flow.onEach
import kotlinx.coroutines.flow.take
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.joinAll
import kotlinx.coroutines.withTimeoutOrNull
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir

/** The scenarios of every language: the table is in bindings/README.md. */
class ScenariosTest {
    @TempDir
    lateinit var folder: Path

    @Test
    fun pairByQr() = onTestServer {
        val phone = phone("anna")
        val options = ClientOptions(testServer = server, deviceName = "a test")
        Store.memory().use { Client.connect(it, options) }.use { client ->
            val device = pair(client, phone)
            assertEquals(listOf(device), phone.linkedDevices())
            assertEquals(Status.READY, client.status())
            assertEquals(listOf(phone.address(), phone.lid()), client.ownAddresses())
        }
    }

    @Test
    fun pairByCode() = onTestServer {
        val phone = phone("anna")
        Store.memory().use { Client.connect(it, options) }.use { client ->
            client.events().first { event ->
                if (event is Event.PairingQr) {
                    val code = client.pairWithCode(phone.number())
                    assertTrue(code.length == 9 && code[4] == '-')
                    phone.enterCode(code)
                }
                event is Event.Connected
            }
            assertEquals(1, phone.linkedDevices().size)
        }
    }

    @Test
    fun textBothWays() = onTestServer {
        val client = link("anna")
        val bob = phone("bob")
        val sent = client.send(bob.address(), Message.text("hello bob"))
        val received = bob.nextMessage()
        assertEquals(sent.id to "hello bob", received.id to received.text)
        val state = client.sentState(sent.id)
        assertTrue(state is SendState.Acked || state is SendState.Delivered, "$state")

        val answer = Message.text("hello anna").replyTo(received.key, received.message)
        bob.send(phone("anna").address(), answer)
        val message = nextMessage(client)
        assertEquals("hello anna", message.text)
        assertEquals(sent.id, message.quoted)
        client.markRead(listOf(message.key))
        bob.waitRead(message.id)
    }

    @Test
    fun mediaBothWays() = onTestServer {
        val (anna, bob) = link("anna") to link("bob")
        val content = ByteArray(256 * 4096) { it.toByte() }
        val outgoing = folder.resolve("out.bin").also { it.writeBytes(content) }
        val pieces = content.indices.step(100_000).map { content.copyOfRange(it, minOf(it + 100_000, content.size)) }
        val files = listOf(
            anna.upload(outgoing, MediaKind.DOCUMENT),
            anna.upload(content, MediaKind.DOCUMENT),
            anna.upload(pieces.asFlow(), MediaKind.DOCUMENT),
            anna.upload(ByteArrayInputStream(content), MediaKind.DOCUMENT),
        )
        for (file in files) {
            val options =
                DocumentOptions(fileName = "out.bin", mimetype = "application/octet-stream", caption = "a file")
            anna.send(bob.ownAddresses().first(), Message.document(file, options))
        }
        for (number in files.indices) {
            val message = nextMessage(bob)
            val document = assertIs<Content.Document>(message.content)
            assertEquals("a file" to "out.bin", message.text to document.fileName)
            when (number) {
                0 -> {
                    val incoming = folder.resolve("in.bin")
                    bob.download(document.file, incoming)
                    assertContentEquals(content, incoming.readBytes())
                }
                1 -> {
                    assertContentEquals(content, bob.downloadBytes(document.file, 1uL shl 21))
                    assertFailsWith<WaException.Invalid> { bob.downloadBytes(document.file, 1000u) }
                }
                2 -> {
                    val incoming = bob.download(document.file).toList()
                    assertTrue(incoming.size > 1)
                    assertContentEquals(content, incoming.reduce(ByteArray::plus))
                }
                else -> {
                    val incoming = ByteArrayOutputStream()
                    bob.download(document.file, incoming)
                    assertContentEquals(content, incoming.toByteArray())
                }
            }
        }
    }

    @Test
    fun group() = onTestServer {
        val client = link("anna")
        val bob = phone("bob")
        val made = client.createGroup("friends", listOf(bob.address()))
        assertTrue(made.refused.isEmpty())
        assertEquals("friends", made.group.subject)
        val group = made.group.address
        client.send(group, Message.text("hello all"))
        val received = bob.nextMessage()
        assertEquals(group to "hello all", received.chat to received.text)
        bob.sendText(group, "hello anna")
        val message = nextMessage(client)
        assertEquals(Triple(group, ChatKind.GROUP, "hello anna"), Triple(message.chat, message.chatKind, message.text))
        client.setGroupSubject(group, "good friends")
        assertEquals("good friends", client.group(group).subject)
        client.leaveGroup(group)
        assertFalse(client.groups().any { it.address == group })
    }

    @Test
    fun history() = onTestServer {
        val (anna, bob) = phone("anna") to phone("bob")
        val texts = List(9) { "text $it" }
        val ids = anna.remember(bob.address(), "Bob", texts)
        val options = ClientOptions(testServer = server, readsHistory = true)
        Store.memory().use { Client.connect(it, options) }.use { client ->
            pair(client, anna)
            val messages = mutableMapOf<String, PastMessage>()
            val names = mutableListOf<String?>()
            client.history().first { part ->
                part.messages.filter { it.content != null }.associateByTo(messages) { it.key.id }
                part.chats.mapTo(names) { it.name }
                messages.size == 9
            }
            assertContains(names, "Bob")
            assertEquals(texts, ids.map { assertIs<Content.Text>(messages[it]?.content).text })
            assertEquals(listOf(false, true), ids.take(2).map { messages.getValue(it).key.fromMe })
            val newest = messages.getValue(ids.last())
            val older = client.olderMessages(newest.key, newest.timestamp, 4u, Duration.ofSeconds(30))
            assertEquals(ids.slice(7 downTo 4), older.map { it.key.id })
        }
    }

    @Test
    fun unconfirmedEventsComeAgain() = onTestServer {
        val (anna, bob) = phone("anna") to phone("bob")
        val path = folder.resolve("account.db")
        Client.connect(path, options).use { client ->
            pair(client, anna)
            for (text in listOf("one", "two", "three")) bob.sendText(anna.address(), text)
            client.eventStream().use { stream ->
                val texts = client.events(confirm = false).filterIsInstance<Event.Message>()
                    .onEach { event -> if (event.message.text == "one") stream.confirm(assertNotNull(event.number)) }
                    .map { it.message.text }.take(3).toList()
                assertEquals(listOf<String?>("one", "two", "three"), texts)
            }
        }
        // Now the collecting confirms: "two", when the next one is asked for, and not "three", at which it ends.
        Client.connect(path, options).use { client ->
            val texts = client.events().filterIsInstance<Event.Message>().map { it.message.text }.take(2).toList()
            assertEquals(listOf<String?>("two", "three"), texts)
        }
        Client.connect(path, options).use { client ->
            assertEquals("three", nextMessage(client).text)
        }
    }

    @Test
    fun typedErrors() = onTestServer {
        val client = link("anna")
        val bob = phone("bob")
        val invalid = assertFailsWith<WaException.Invalid> { client.send("not an address@", Message.text("x")) }
        assertEquals("invalid_address", invalid.code)
        assertContains(invalid.message(), "not an address@")
        assertContains(assertNotNull(invalid.message), "not an address@")
        assertFalse(invalid.isRetryable())

        val others = phone("carla").createGroup("others", listOf(bob.address()))
        val refused: WaException = assertFailsWith<WaException.Refused> { client.send(others, Message.text("x")) }
        assertEquals("not_member", refused.code)

        ClientManager.open(folder, testServer = server).use { manager ->
            val missing = assertFailsWith<WaException.NotFound> { manager.account("nobody") }
            assertEquals("not_found", missing.code)
            val account = manager.create()
            val idle = assertFailsWith<WaException.Unavailable> { account.send(bob.address(), Message.text("x")) }
            assertEquals("not_ready", idle.code)
            assertTrue(idle.isRetryable())
        }
    }

    @Test
    fun cancelledCallsEnd() = onTestServer {
        val client = link("anna")
        val bob = phone("bob")
        val before = runtimeUsage()
        server.delayAcks(Duration.ofMinutes(10))
        val waiting = List(10) { number ->
            async(start = CoroutineStart.UNDISPATCHED) { client.send(bob.address(), Message.text("$number")) }
        }
        waiting.forEach { it.cancel() }
        waiting.joinAll()
        assertTrue(waiting.all { it.isCancelled })
        until { runtimeUsage().calls <= before.calls }
        assertEquals(before.cancelledCalls + 10u, runtimeUsage().cancelledCalls)
        server.delayAcks()

        // Whoever stops waiting for an event misses none.
        for (number in 0..<50) bob.sendText(phone("anna").address(), "event $number")
        val texts = mutableListOf<String?>()
        client.eventStream().use { stream ->
            while (texts.size < 50) {
                withTimeoutOrNull(1.milliseconds) { stream.ready() } ?: continue
                stream.drain(7u).filterIsInstance<Event.Message>().mapTo(texts) { it.message.text }
            }
        }
        assertEquals(List<String?>(50) { "event $it" }, texts)
    }

    @Test
    fun limits() = onTestServer {
        ClientManager.open(folder, testServer = server).use { manager ->
            val account = linkedAccount(manager, phone("anna"), "anna")
            val trust = account.trust()
            assertEquals(Triple<UByte, UInt, UInt>(1u, 50u, 0u), Triple(trust.level, trust.dailyLimit, trust.sentToday))
            val strangers = List(3) { phone("stranger $it").address() }
            // Who is a stranger is known once the phone told of the past.
            until { account.preview(strangers[0]) is Preview.Allowed }
            assertIs<SendResult.Sent>(account.send(strangers[0], Message.text("hello")))
            val limited =
                assertFailsWith<WaException.Limited> { account.send(strangers[1], Message.text("hello")) }
            assertEquals("limited", limited.code)
            assertTrue(limited.isRetryable())
            assertTrue(assertNotNull(limited.retryAfter) > Duration.ofMinutes(1))
            assertNotNull(limited.until)
            val preview = assertIs<Preview.Later>(account.preview(strangers[2]))
            assertNotNull(preview.limit.retryAt)
            assertEquals(1u, account.trust().sentToday)
        }
    }

    @Test
    fun tenAccounts() = onTestServer {
        val names = List(10) { "account-$it" }
        ClientManager.open(folder, folder.resolve("manager.db"), testServer = server).use { manager ->
            val accounts = names.map { name -> async { linkedAccount(manager, phone(name), name) } }.awaitAll()
            assertEquals(ManagerHealth(connected = 10u, total = 10u), manager.health())
            for ((account, name) in accounts zip names.drop(1) + names.take(1)) {
                // Who is a stranger is known once the phone told of the past.
                until { account.preview(phone(name).address()) is Preview.Allowed }
                account.send(phone(name).address(), Message.text("for $name"))
            }
            val heard = mutableSetOf<String>()
            manager.events(after = 0u, kinds = listOf("message.received")).first { update ->
                heard += textOf(assertIs<ManagerUpdate.Event>(update).event)
                heard.size == 10
            }
            assertEquals(names.map { "for $it" }.toSet(), heard)
            val results = manager.batchStop(names + "nobody")
            assertEquals(List<String?>(10) { null } + "not_found", results.map { it.error })
            assertEquals(0u, manager.health().connected)
        }
    }

    @Test
    fun managerRestart() = onTestServer {
        val database = folder.resolve("manager.db")
        var cursor = ClientManager.open(folder, database, testServer = server).use { manager ->
            linkedAccount(manager, phone("anna"), "anna")
            manager.lastEvent()
        }
        ClientManager.open(folder, database, testServer = server).use { manager ->
            assertEquals(1u, manager.restore().started)
            manager.account("anna").reached(AccountStatus.READY)
            phone("bob").sendText(phone("anna").address(), "still there?")
            val heard = manager.events(after = cursor).filterIsInstance<ManagerUpdate.Event>().map { it.event }.first { event ->
                assertTrue(event.seq > cursor)
                cursor = event.seq
                event.kind == "message.received"
            }
            assertEquals("still there?", textOf(heard))
        }
    }

    @Test
    fun aListenerThatThrows() = onTestServer {
        val client = link("anna")
        val bob = phone("bob")
        val heard = Channel<String?>(Channel.UNLIMITED)
        client.listen { event ->
            if (event is Event.Message) {
                require(event.message.text != "one") { "not this one" }
                heard.trySend(event.message.text)
            }
        }.use { subscription ->
            for (text in listOf("one", "two")) bob.sendText(phone("anna").address(), text)
            assertEquals("two", heard.receive())
            assertTrue(subscription.failed())
            val failure = subscription.failures().single()
            assertContains(failure.reason, "not this one")
            assertNotNull(failure.number)
            client.send(bob.address(), Message.text("still here"))
        }
    }

    @Test
    fun logsArrive() = onTestServer {
        val records = Collections.synchronizedList(mutableListOf<LogRecord>())
        val logger = Logger.getLogger("wa")
        logger.level = Level.ALL
        logger.useParentHandlers = false
        logger.addHandler(object : Handler() {
            override fun publish(record: LogRecord) {
                records += record
            }

            override fun flush() = Unit

            override fun close() = Unit
        })
        assertTrue(forwardLogs(LogLevel.DEBUG))
        assertFalse(forwardLogs(LogLevel.DEBUG))
        Store.memory().use { Client.connect(it, options) }.use { client ->
            pair(client, phone("anna"))
            server.disconnectAll()
            client.events().first { it is Event.Connected }
        }
        until { synchronized(records) { records.any { it.loggerName.startsWith("wa.core") && it.message.isNotEmpty() } } }
    }

    /** The text in the JSON of an event that tells of a message. */
    private fun textOf(event: ManagerEvent): String =
        assertNotNull(Regex("\"text\":\"([^\"]*)\"").find(event.data), event.data).groupValues[1]
}
