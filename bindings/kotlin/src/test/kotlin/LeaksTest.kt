package io.github.wa.tests

import io.github.wa.*
import java.io.File
import java.lang.management.ManagementFactory
import java.nio.file.Path
import kotlin.test.assertEquals
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
     * hundredth is not closed but left to the garbage collector. Connections to a test server in the same process have no sockets:
     * for the sake of descriptors, every hundredth has its keys in a file.
     */
    @Test
    fun createdAndDropped10000Times() = onTestServer(patience = PATIENCE * 5) {
        suspend fun create(number: Int) {
            val store = if (number % 100 == 1) Store.sqlite("$folder/$number.db") else Store.memory()
            val client = store.use { Client.connect(it, options) }
            client.events().first { it is Event.PairingQr }
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

    /** Waits for a login that does not come. */
    @Test
    fun cancelled10000Times() = onTestServer {
        val client = Store.memory().use { Client.connect(it, options) }
        client.events().first { it is Event.PairingQr }
        val start = runtimeUsage()

        suspend fun cancel(times: Int) = repeat(times / 100) {
            val waiting = List(100) { async(start = CoroutineStart.UNDISPATCHED) { client.ready() } }
            assertEquals(start.calls + 100u, runtimeUsage().calls)
            waiting.forEach { it.cancel() }
            waiting.joinAll()
            assertTrue(waiting.all { it.isCancelled })
            until { runtimeUsage().calls == start.calls }
        }
        cancel(2_000)
        val before = Held.whenBackAt(start)
        cancel(8_000)
        Held.whenBackAt(start)
        before.whenBack()
        assertEquals(start.cancelledCalls + 10_000u, runtimeUsage().cancelledCalls)
        client.close()
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
