/*
 * What the way into the library costs from Kotlin: calls, events, and a large file. All on the test server, in this process. Prints,
 * and fails when something does not work, or when a file is held whole: the heap is smaller than the file, and is given whole at the
 * start, with -Xms48m -Xmx48m -XX:+AlwaysPreTouch, so that what the process holds beside it is not Java's. Looks into /proc, and so is
 * for Linux. The JVM's warming up is in the figures.
 *
 *     java -cp … BorderKt            # as it is meant
 *     java -cp … BorderKt --quick    # that it works; `check` does this
 */

import io.github.wa.*
import java.io.File
import java.nio.file.Path
import kotlin.contracts.ExperimentalContracts
import kotlin.contracts.InvocationKind
import kotlin.contracts.contract
import kotlin.io.path.createTempDirectory
import kotlin.io.path.inputStream
import kotlin.io.path.outputStream
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds
import kotlin.time.DurationUnit
import kotlin.time.measureTime
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout

private const val PIECE = 1 shl 16

/** MiB that an upload or a download may hold at once, however large the file is, beside what the test server holds. */
private const val MEMORY = 32.0

fun main(arguments: Array<String>) = runBlocking {
    val bench = if ("--quick" in arguments) Border(calls = 200, events = 100, megabytes = 64) else Border(20_000, 900, 100)
    TestServer.start().use { server ->
        Client.connect(Store.memory(), ClientOptions(testServer = server)).use { client ->
            bench.link(client, server.phone("anna"))
            bench.calls(client)
            bench.events(server, client)
            val folder = createTempDirectory()
            try {
                bench.media(client, folder)
            } finally {
                folder.toFile().deleteRecursively()
            }
        }
    }
}

private class Border(val calls: Int, val events: Int, val megabytes: Int) {
    suspend fun link(client: Client, phone: TestPhone) {
        client.events().first { event ->
            if (event is Event.PairingQr) phone.scan(event.text)
            event is Event.Connected
        }
    }

    suspend fun calls(client: Client) {
        lineEach("a synchronous call", measureTime { repeat(calls) { client.status() } } / calls)
        lineEach("an asynchronous call that an account answers", measureTime { repeat(calls) { client.ownAddresses() } } / calls)
    }

    suspend fun events(server: TestServer, client: Client) {
        var last = send(server, client)
        var (taken, spent, lastTaken) = Triple(0, Duration.ZERO, "")
        client.eventStream().use { stream ->
            while (taken < events) {
                check(stream.ready()) { "the events ended" }
                val batch: List<Event>
                spent += measureTime { batch = stream.drain(64u) }
                for (event in batch.filterIsInstance<Event.Message>()) {
                    taken++
                    stream.confirm(event.message.number)
                    lastTaken = event.message.id
                }
            }
        }
        check(lastTaken == last) { "the last message is another one" }
        lineEach("an event with a message, taken", spent / events)
        line("events with messages, taken", 1.seconds / (spent / events), "/s")

        // As programs hear of them: one after the other, and each is confirmed.
        last = send(server, client)
        taken = 0
        spent = measureTime {
            client.events().first { event ->
                if (event is Event.Message) taken++
                event is Event.Message && event.message.id == last
            }
        }
        check(taken == events) { "$taken events came" }
        lineEach("an event with a message, collected", spent / events)
        line("events with messages, collected", 1.seconds / (spent / events), "/s")
    }

    /** Sends messages, and waits until all of them wait here. Returns the id of the last one. */
    private suspend fun send(server: TestServer, client: Client): String {
        val (sender, receiver) = server.phone("bob") to server.phone("anna")
        val ids = sender.sendTexts(receiver.address(), List(events) { "event $it" })
        client.eventStream().use { stream ->
            withTimeout(60.seconds) { while (stream.waiting() < events.toULong()) delay(10.milliseconds) }
        }
        return ids.last()
    }

    suspend fun media(client: Client, folder: Path) {
        val outgoing = folder.resolve("out.bin")
        outgoing.outputStream().use { file -> repeat(megabytes * 16) { file.write(ByteArray(PIECE)) } }
        val pieces = flow {
            outgoing.inputStream().use { file ->
                while (true) {
                    val piece = file.readNBytes(PIECE)
                    if (piece.isEmpty()) break
                    emit(piece)
                }
            }
        }

        val file: Attachment
        // The test server keeps what it has.
        moves("$megabytes MB up, by path", megabytes) { file = client.upload(outgoing, MediaKind.DOCUMENT) }
        moves("$megabytes MB up, in pieces", megabytes) { client.upload(pieces, MediaKind.DOCUMENT) }
        // And makes a copy of what it gives.
        moves("$megabytes MB down, by path", megabytes) { client.download(file, folder.resolve("in.bin")) }
        var length = 0
        moves("$megabytes MB down, in pieces", megabytes) { client.download(file).collect { length += it.size } }
        check(length == megabytes shl 20) { "$length bytes came" }
    }

    /** Moves a file, of which the test server holds so many MiB. */
    @OptIn(ExperimentalContracts::class)
    private inline fun moves(what: String, heldByServer: Int, move: () -> Unit) {
        contract { callsInPlace(move, InvocationKind.EXACTLY_ONCE) }
        val held = resident()
        forgetPeak()
        line(what, measureTime(move).toDouble(DurationUnit.SECONDS), "s")
        val more = peak() - held - heldByServer
        line("memory meanwhile, the server's not counted", more, "MiB")
        // A server that holds less hides what the client holds.
        check(-MEMORY < more) { "the server holds less than a file" }
        check(more < MEMORY) { "a file is held whole" }
    }
}

private fun line(what: String, number: Double, unit: String) = println("%-44s %10.2f %s".format(null, what, number, unit))

private fun lineEach(what: String, took: Duration) = line(what, took.toDouble(DurationUnit.MICROSECONDS), "us")

/** What the process holds, MiB. */
private fun resident(): Double = status("VmRSS:")

/** What the process held at most, MiB. */
private fun peak(): Double = status("VmHWM:")

/** What the process held at most is counted from now on. */
private fun forgetPeak() = File("/proc/self/clear_refs").writeText("5")

private fun status(name: String): Double {
    val line = File("/proc/self/status").readLines().first { it.startsWith(name) }
    return line.filter(Char::isDigit).toDouble() / 1024
}
