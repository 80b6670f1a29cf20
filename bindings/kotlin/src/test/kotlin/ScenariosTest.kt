package io.github.wa.tests

import io.github.wa.*
import java.io.ByteArrayInputStream
import java.io.ByteArrayOutputStream
import java.nio.file.Path
import java.time.Duration
import java.time.Instant
import java.util.Collections
import java.util.logging.Handler
import java.util.logging.Level
import java.util.logging.LogRecord
import java.util.logging.Logger
import kotlin.io.path.readBytes
import kotlin.io.path.writeBytes
import kotlin.io.path.writeText
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
import kotlinx.coroutines.launch
import kotlinx.coroutines.withTimeout
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
    fun pairByPasskey() = onTestServer {
        val (anna, bob) = phone("anna") to phone("bob")
        val options = ClientOptions(testServer = server, answersPasskeys = true)
        Store.memory().use { Client.connect(it, options) }.use { client ->
            val asked = anna.askPasskey(client.next<Event.PairingQr>().text)
            val signed = anna.signWithPasskey(client.next<Event.PasskeyChallenge>().options)
            client.respondPasskey(signed.credentialId, signed.assertion)
            val shown = client.next<Event.PasskeyCode>()
            assertTrue(shown.isAsked)
            assertEquals(asked.code(), shown.code)
            client.confirmPasskey(true)
            val device = asked.confirm()
            client.next<Event.Connected>()
            assertEquals(listOf(device), anna.linkedDevices())
            val late = assertFailsWith<WaException.Conflict> { client.confirmPasskey(true) }
            assertEquals("not_asked", late.code)
        }

        // Declined: the code that is shown links all the same.
        Store.memory().use { Client.connect(it, options) }.use { client ->
            val shown = client.next<Event.PairingQr>().text
            bob.askPasskey(shown, inline = false).use {
                client.next<Event.PasskeyChallenge>()
                client.respondPasskey()
                assertEquals("declined", client.next<Event.PasskeyFailed>().code)
            }
            bob.scan(shown)
            client.next<Event.Connected>()
            assertEquals(1, bob.linkedDevices().size)
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
        bob.read(received.id)
        val read = withTimeout(PATIENCE) {
            client.events().filterIsInstance<Event.Receipt>().first { it.kind == ReceiptKind.Read }
        }
        assertEquals(listOf(sent.id), read.ids)
        assertEquals("no_message", assertFailsWith<WaException.NotFound> { bob.read("UNKNOWN") }.code)

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
            anna.uploadBytes(content, MediaKind.DOCUMENT),
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
    fun aSlowReaderHoldsTheAccountUp() = onTestServer {
        val (anna, bob) = phone("anna") to phone("bob")
        val texts = List(1500) { "text $it" }
        Store.memory().use { Client.connect(it, options) }.use { client ->
            val device = pair(client, anna)
            client.eventStream().use { stream ->
                bob.sendTexts(anna.address(), texts)
                // Nobody takes anything: a thousand wait here, and the service keeps most of what is more.
                until { stream.waiting() >= 1000u }
                assertEquals(1000uL, stream.waiting())
                assertTrue(server.waitingFor(device) > 100u)

                val heard = client.events().filterIsInstance<Event.Message>().map { it.message.text }
                    .onEach { assertTrue(stream.waiting() <= 1000u) }.take(texts.size).toList()
                assertEquals<List<String?>>(texts, heard)
                until { server.waitingFor(device) == 0uL }
            }
        }
    }

    @Test
    fun typedErrors() = onTestServer {
        val client = link("anna")
        val bob = phone("bob")
        val invalid = assertFailsWith<WaException.Invalid> { client.send("not an address@", Message.text("x")) }
        assertEquals("invalid_address", invalid.code)
        assertContains(invalid.message(), "no server part")
        assertContains(assertNotNull(invalid.message), "no server part")
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

        val path = folder.resolve("typed.db").toString()
        Store.sqlite(path).use {
            val locked = assertFailsWith<WaException.Store> { Store.sqlite(path) }
            assertEquals("store_locked", locked.code)
            assertTrue(locked.isRetryable())
        }
        val notes = folder.resolve("notes.txt").apply { writeText("These are notes. ".repeat(100)) }
        val foreign = assertFailsWith<WaException.Store> { Store.sqlite(notes.toString()) }
        assertEquals("store_foreign", foreign.code)
        assertFalse(foreign.isRetryable())
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
        val gaveUp = Channel<Unit>(Channel.CONFLATED)
        val sending = launch {
            for (number in 0..<50) {
                gaveUp.receive()
                bob.sendText(phone("anna").address(), "event $number")
            }
        }
        val texts = mutableListOf<String?>()
        var timeOuts = 0
        client.eventStream().use { stream ->
            while (texts.size < 50) {
                if (withTimeoutOrNull(1.milliseconds) { stream.ready() } == null) {
                    timeOuts += 1
                    gaveUp.send(Unit)
                } else {
                    stream.drain(7u).filterIsInstance<Event.Message>().mapTo(texts) { it.message.text }
                }
            }
        }
        sending.join()
        assertEquals(List<String?>(50) { "event $it" }, texts)
        assertTrue(timeOuts >= 50, "$timeOuts")
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
                heard += assertNotNull(assertIs<ManagerUpdate.Event>(update).event.message?.text)
                heard.size == 10
            }
            assertEquals(names.map { "for $it" }.toSet(), heard)
            val results = manager.batchStop(names + "nobody")
            assertEquals(List<String?>(10) { null } + "not_found", results.map { it.error })
            assertEquals(0u, manager.health().connected)
            // Again, and those of all tenants.
            manager.create(AccountSpec(tenant = "another"))
            for ((tenant, count) in listOf("another" to 1, null to 11)) {
                assertEquals(List<String?>(count) { null }, manager.stopAll(tenant).map { it.error })
            }
        }
    }

    @Test
    fun managerMedia() = onTestServer {
        val (anna, bob) = phone("anna") to link("bob")
        val content = ByteArray(256 * 4096) { it.toByte() }
        val (outgoing, incoming) = folder.resolve("out.bin") to folder.resolve("in.bin")
        outgoing.writeBytes(content)

        fun document(file: Attachment): Message =
            Message.document(file, DocumentOptions(fileName = "out.bin", mimetype = "application/octet-stream", caption = "a file"))

        ClientManager.open(folder, testServer = server).use { manager ->
            val account = linkedAccount(manager, anna, "anna")
            // In: what an event tells of a message is enough for its file, for an answer, and to say that it was read.
            val cursor = manager.lastEvent()
            val sent = bob.send(anna.address(), document(bob.upload(outgoing, MediaKind.DOCUMENT)))
            val event = manager.events(after = cursor).filterIsInstance<ManagerUpdate.Event>().map { it.event }
                .first { it.message != null }
            assertEquals("message.received", event.kind)
            val received = assertNotNull(event.message)
            assertEquals(sent.id to "a file", received.id to received.text)
            assertEquals("out.bin", assertIs<Content.Document>(received.content).fileName)
            account.download(received, incoming)
            assertContentEquals(content, incoming.readBytes())
            assertContentEquals(content, account.downloadBytes(received, 1uL shl 21))
            val large = assertFailsWith<WaException.Invalid> { account.downloadBytes(received, 1000u) }
            assertEquals("too_large", large.code)
            assertContentEquals(content, account.download(received).toList().reduce(ByteArray::plus))
            val sink = ByteArrayOutputStream()
            account.download(received, sink)
            assertContentEquals(content, sink.toByteArray())
            account.markRead(listOf(received))
            val read = bob.events().filterIsInstance<Event.Receipt>().first { it.kind == ReceiptKind.Read }
            assertEquals(listOf(sent.id), read.ids)

            // Out: by path, as bytes and in pieces; the answer is a file.
            val pieces = content.indices.step(100_000).map { content.copyOfRange(it, minOf(it + 100_000, content.size)) }
            val files = listOf(
                account.upload(outgoing, MediaKind.DOCUMENT),
                account.upload(content, MediaKind.DOCUMENT),
                account.uploadBytes(content, MediaKind.DOCUMENT),
                account.upload(pieces.asFlow(), MediaKind.DOCUMENT),
                account.upload(ByteArrayInputStream(content), MediaKind.DOCUMENT),
            )
            for (file in files) assertContentEquals(content, bob.downloadBytes(file, 1uL shl 21))
            // The host kept the event as JSON, and reads it again.
            assertIs<SendResult.Sent>(account.reply(messageOfEvent(event.data), document(files[0])))
            val answer = nextMessage(bob)
            assertEquals("a file" to sent.id, answer.text to answer.quoted)
            assertContentEquals(content, bob.downloadBytes(assertIs<Content.Document>(answer.content).file, 1uL shl 21))

            // What is kept is there without a connection; what is to be sent wants one.
            account.stop()
            assertContentEquals(content, account.downloadBytes(received, 1uL shl 21))
            val idle = assertFailsWith<WaException.Unavailable> { account.upload(content, MediaKind.DOCUMENT) }
            assertEquals("not_ready", idle.code)
            val none = assertFailsWith<WaException.Invalid> { account.downloadBytes(received.copy(message = null), 1000u) }
            assertEquals("no_file", none.code)
            assertFailsWith<WaException.Invalid> { messageOfEvent("{}") }
        }
    }

    @Test
    fun managerRestart() = onTestServer {
        val database = folder.resolve("manager.db")
        var cursor = 0uL
        val (linked, unlinked) = ClientManager.open(folder, database, testServer = server).use { manager ->
            val ids = linkedAccount(manager, phone("anna"), "anna").id() to manager.create().id()
            cursor = manager.lastEvent()
            ids
        }
        ClientManager.open(folder, database, testServer = server).use { manager ->
            val report = manager.restore()
            assertEquals(RestoreReport(started = listOf(linked), skipped = listOf(unlinked), failed = listOf()), report)
            manager.account("anna").reached(AccountStatus.READY)
            phone("bob").sendText(phone("anna").address(), "still there?")
            val heard = manager.events(after = cursor).filterIsInstance<ManagerUpdate.Event>().map { it.event }.first { event ->
                assertTrue(event.seq > cursor)
                cursor = event.seq
                event.message != null
            }
            assertEquals("still there?", heard.message?.text)
        }
    }

    @Test
    fun aListenerThatThrows() = onTestServer {
        val (anna, bob) = phone("anna") to phone("bob")
        val heard = Channel<String?>(Channel.UNLIMITED)
        val records = recordsOfTheLog()
        val listener: (Event) -> Unit = { event ->
            if (event is Event.Message) {
                require(event.message.text != "one") { "not this one" }
                if (event.message.text == "two") TODO("nor this one")
                heard.trySend(event.message.text)
            }
        }
        Store.memory().use { store ->
            val failures = Client.connect(store, options).use { client ->
                pair(client, anna)
                val subscription = client.listen(listener)
                for (text in listOf("one", "two", "three")) bob.sendText(anna.address(), text)
                assertEquals("three", heard.receive())
                assertTrue(subscription.failed())
                val failures = subscription.failures()
                assertEquals(2, failures.size, "$failures")
                assertContains(failures[0].reason, "not this one")
                // An Error is no Exception.
                assertContains(failures[1].reason, "nor this one")
                // Who asks for none of that finds them in the log, whatever else is sent there.
                val logged = synchronized(records) { records.filter { it.loggerName == "wa" }.map { it.thrown } }
                assertEquals(2, logged.size, "$logged")
                assertEquals("not this one", assertIs<IllegalArgumentException>(logged[0]).message)
                assertContains(assertNotNull(assertIs<NotImplementedError>(logged[1]).message), "nor this one")
                client.send(bob.address(), Message.text("still here"))

                // One at a time; and what comes after it waits for the next listener, or for who collects.
                val second = assertFailsWith<WaException.Conflict> { client.listen(listener) }
                assertEquals("listened", second.code)
                // The listening is over when nothing can fail any more: until then it may take one more event.
                subscription.stop()
                assertFalse(subscription.failed())
                bob.sendText(anna.address(), "four")
                val third = client.listen(listener)
                assertEquals("four", heard.receive())
                third.stop()
                assertFalse(third.failed())
                bob.sendText(anna.address(), "five")
                val five = nextMessage(client)
                assertEquals("five", five.text)
                client.eventStream().use { it.confirm(five.number) }
                failures
            }
            // What it threw over comes again after a restart, and nothing else.
            Client.connect(store, options).use { client ->
                bob.sendText(anna.address(), "six")
                val again = client.events().filterIsInstance<Event.Message>().map { it.message }.take(3).toList()
                assertEquals(listOf<String?>("one", "two", "six"), again.map { it.text })
                assertEquals(failures.map { it.number }, again.take(2).map { it.number })
            }
        }
    }

    @Test
    fun logsArrive() = onTestServer {
        val records = recordsOfTheLog()
        val began = Instant.now()
        assertTrue(forwardLogs(LogLevel.DEBUG))
        assertFalse(forwardLogs(LogLevel.DEBUG))
        val options = ClientOptions(testServer = server, alias = "front desk")
        Store.memory().use { Client.connect(it, options) }.use { client ->
            pair(client, phone("anna"))
            server.disconnectAll()
            client.events().first { it is Event.Connected }
        }
        // They begin with the account that they are about. This provider has no keys, and writes them before it.
        val ours = Regex("^at=([^ ]+) \\[front desk] ")

        fun times() = synchronized(records) { records.filter { it.loggerName.startsWith("wa.core") }.map { it.message } }
            .mapNotNull { ours.find(it) }.map { Instant.parse(it.groupValues[1]) }
        until { times().isNotEmpty() }
        for (at in times()) assertContains(began..Instant.now(), at)
    }

    /** What is logged by `wa` and below it from now on. */
    private fun recordsOfTheLog(): List<LogRecord> {
        val records = Collections.synchronizedList(mutableListOf<LogRecord>())
        LOG.level = Level.ALL
        LOG.useParentHandlers = false
        LOG.addHandler(object : Handler() {
            override fun publish(record: LogRecord) {
                records += record
            }

            override fun flush() = Unit

            override fun close() = Unit
        })
        return records
    }

    private companion object {
        /** Held: Java forgets loggers that nobody holds, and how they are set up. */
        val LOG: Logger = Logger.getLogger("wa")
    }
}
