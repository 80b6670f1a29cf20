package io.github.wa.tests

import io.github.wa.*
import java.io.File
import java.lang.management.ManagementFactory
import java.nio.ByteBuffer
import java.nio.charset.CharacterCodingException
import java.nio.file.Path
import java.time.Duration
import java.time.Instant
import kotlin.io.path.name
import kotlin.io.path.readSymbolicLink
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertTrue
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.async
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.joinAll
import kotlinx.coroutines.launch
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir

class LeaksTest {
    @TempDir
    lateinit var folder: Path

    /**
     * Clients, as they hold the most: tasks, a connection, keys. Each is connected and shows its QR code when it is dropped. Every
     * hundredth is not closed but left to the garbage collector; every twentieth has a socket, and every hundredth has its keys in a
     * file.
     */
    @Test
    fun createdAndDropped10000Times() = onTestServer(patience = PATIENCE * 5) {
        TestServer.startOnSockets().use { onSockets ->
            val sockets = Held.sockets()

            suspend fun create(number: Int) {
                val hasSocket = number % 20 == 0
                val options = if (hasSocket) ClientOptions(testServer = onSockets) else options
                val store = if (number % 100 == 1) Store.sqlite("$folder/$number.db") else Store.memory()
                val client = store.use { Client.connect(it, options) }
                client.events().first { it is Event.PairingQr }
                // Its own, and the server's.
                if (hasSocket) assertTrue(Held.sockets() >= sockets + 2)
                if (number % 100 != 0) client.close()
            }

            suspend fun create(numbers: IntRange) = coroutineScope {
                numbers.chunked(100).forEach { some -> some.map { launch { create(it) } }.joinAll() }
            }
            val start = runtimeUsage()
            create(0..<2_000)
            val before = Held.whenBackAt(start)
            create(2_000..<10_000)
            Held.whenBackAt(start)
            before.whenBack()
        }
    }

    @Test
    fun cancelled10000Times() = onTestServer(patience = PATIENCE * 5) {
        TestServer.startOnSockets().use { onSockets ->
            val number = phone("bob").number()
            val linked = Store.memory().use { Client.connect(it, ClientOptions(testServer = onSockets)) }
            pair(linked, onSockets.phone("anna"))
            val unlinked = Store.memory().use { Client.connect(it, options) }
            unlinked.events().first { it is Event.PairingQr }
            val start = runtimeUsage()

            fun begin(times: Int, call: suspend () -> Unit) = List(times) { async(start = CoroutineStart.UNDISPATCHED) { call() } }

            suspend fun cancel(times: Int) = repeat(times / 100) {
                // So many wait for a login that does not come; beside them, others wait for the service, which may have answered by then.
                val waiting = begin(100) { unlinked.ready() }
                val asking = begin(40) { linked.checkNumbers(listOf(number)) } +
                    begin(10) { linked.upload(ByteArray(1000), MediaKind.DOCUMENT) }
                assertTrue(runtimeUsage().calls >= start.calls + 100u)
                (waiting + asking).forEach { it.cancel() }
                (waiting + asking).joinAll()
                assertTrue(waiting.all { it.isCancelled })
                until { runtimeUsage().calls == start.calls }
            }
            cancel(2_000)
            val before = Held.whenBackAt(start)
            cancel(8_000)
            Held.whenBackAt(start)
            before.whenBack()
            val cancelled = runtimeUsage().cancelledCalls - start.cancelledCalls
            println("$cancelled calls were cancelled under way")
            assertTrue(cancelled >= 10_000u)
            assertEquals(listOf(number), linked.checkNumbers(listOf(number)).map { it.number })
            unlinked.close()
            linked.close()
        }
    }

    /** What is opened beside clients. Every tenth is left to the garbage collector, but for listeners, of which there is one at a time. */
    @Test
    fun openedAndDropped500Times() = onTestServer(patience = PATIENCE * 5) {
        val client = link("anna")
        val file = client.upload(ByteArray(1_000_000), MediaKind.DOCUMENT)
        val start = runtimeUsage()

        suspend fun open(numbers: IntRange) {
            for (number in numbers) {
                client.listen {}.close()
                val reader = client.beginDownload(file)
                assertTrue(reader.ready())
                val writer = client.beginUpload(MediaKind.DOCUMENT)
                writer.write(ByteBuffer.allocateDirect(1000))
                val options = ManagerOptions(folder = "$folder", database = "$folder/$number.db", testServer = server)
                val manager = ClientManager.open(options)
                val account = manager.create()
                val ticket = account.pair(PairRequest())
                assertTrue(ticket.ready())
                if (number % 10 != 0) listOf(reader, writer, ticket, account, manager).forEach { it.close() }
            }
        }
        open(0..<100)
        val before = Held.whenBackAt(start)
        open(100..<500)
        Held.whenBackAt(start)
        before.whenBack()
    }
}

/** What cannot be passed ends a call before the library has anything of it. In a process of its own, whose sockets are counted. */
class RefusedCallsTest {
    @TempDir
    lateinit var folder: Path

    @Test
    fun refusedCallsLeaveNothing() = onTestServer {
        val start = runtimeUsage()
        val file = folder.toRealPath().resolve("account.db")
        TestServer.startOnSockets().use { onSockets ->
            val sockets = Held.sockets()
            val options = ClientOptions(testServer = onSockets)
            val (half, negative) = "\uD800" to Duration.ofSeconds(-1)
            val chat = "15550000001@s.whatsapp.net"
            val key = MessageKey(chat, "ID", true)
            val closed = Message.text("closed").also { it.close() }
            val store = Store.sqlite("$file")
            val client = Client.connect(store, options)
            client.events().first { it is Event.PairingQr }
            // Its own, and the server's.
            assertTrue(Held.sockets() >= sockets + 2)
            assertTrue(Held.opened(file) > 0)
            repeat(20) {
                // The object whose call it is, at once and in a call that waits.
                assertFailsWith<CharacterCodingException> { client.respondPasskey(ByteArray(100), half) }
                assertFailsWith<CharacterCodingException> { client.sentState(half) }
                assertFailsWith<IllegalArgumentException> { client.olderMessages(key, Instant.EPOCH, 1u, negative) }
                // Another one that stands before what is refused, and one that is refused itself.
                assertFailsWith<IllegalArgumentException> { client.send(chat, Message.text("x"), SendOptions(deadline = negative)) }
                assertFailsWith<IllegalStateException> { client.send(chat, closed) }
                assertFailsWith<CharacterCodingException> { Client.connect(store, options.copy(deviceName = half)) }
                // One within an argument.
                assertFailsWith<CharacterCodingException> { ClientManager.open(folder, testServer = onSockets, deviceName = half) }
            }
            listOf(client, store).forEach { it.close() }
            assertFailsWith<IllegalStateException> { client.sentState("ID") }
            until { Held.sockets() <= sockets && Held.opened(file) == 0 }
        }
        Held.whenBackAt(start)
    }
}

/** What the process holds. Its heap is touched as a whole when it starts (see pom.xml): what grows is not Java's. */
private class Held(val descriptors: Int, val threads: Int, val resident: Long, val heap: Long) {
    override fun toString() =
        "$descriptors descriptors, $threads threads, ${resident / 1024} KiB resident, ${heap / 1024} KiB of heap"

    /** Waits until what was done meanwhile is gone again, also what the garbage collector is to end. */
    suspend fun whenBack() {
        var after = now()
        try {
            until {
                System.gc()
                after = now()
                // Threads of the JVM, files of its classes, and compiled code come and go. 2 KiB for each of the ten thousand
                // would be 20 MiB.
                after.descriptors <= descriptors + 10 && after.threads <= threads + 10 &&
                    after.resident <= resident + 16 * MEBIBYTE && after.heap <= heap + 2 * MEBIBYTE
            }
        } finally {
            println("from $this to $after")
        }
    }

    companion object {
        private const val MEBIBYTE = 1024 * 1024L

        /** Waits until as many calls and tasks are under way as at the start. */
        suspend fun whenBackAt(start: RuntimeUsage): Held {
            until {
                System.gc()
                val now = runtimeUsage()
                now.calls <= start.calls && now.tasks <= start.tasks
            }
            return now()
        }

        /** How many sockets the process has. */
        fun sockets(): Int = descriptors { it.name.startsWith("socket:") }

        /** How often the process has this file open. */
        fun opened(file: Path): Int = descriptors { it == file }

        private fun descriptors(isIt: (Path) -> Boolean): Int = File("/proc/self/fd").listFiles().orEmpty().count { descriptor ->
            // One that is closed meanwhile is none.
            runCatching { isIt(descriptor.toPath().readSymbolicLink()) }.getOrDefault(false)
        }

        private fun now(): Held {
            val resident = File("/proc/self/status").readLines().first { it.startsWith("VmRSS:") }
            return Held(
                File("/proc/self/fd").list().orEmpty().size,
                File("/proc/self/task").list().orEmpty().size,
                resident.filter(Char::isDigit).toLong() * 1024,
                ManagementFactory.getMemoryMXBean().heapMemoryUsage.used,
            )
        }
    }
}
