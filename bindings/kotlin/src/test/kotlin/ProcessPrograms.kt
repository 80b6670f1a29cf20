package io.github.wa.tests

import io.github.wa.*
import java.lang.ref.Reference
import java.time.Duration
import kotlin.time.Duration.Companion.seconds
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.DelicateCoroutinesApi
import kotlinx.coroutines.GlobalScope
import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout

/** The programs of ProcessTest. */
fun main(arguments: Array<String>) {
    when (val name = arguments.single()) {
        "shutDown" -> shutDown()
        "endWithStreamsOpen" -> endWithStreamsOpen()
        else -> error("no program $name")
    }
}

private fun shutDown(): Unit = runBlocking {
    check(configure(1u))
    val client = Client.connect(Store.memory(), ClientOptions(testServer = TestServer.start()))
    val collecting = launch(start = CoroutineStart.UNDISPATCHED) { client.events().collect {} }
    check(!configure(2u)) { "it runs already" }
    shutdown(Duration.ofSeconds(5))
    withTimeout(30.seconds) { collecting.join() }
    try {
        client.ready()
    } catch (closed: WaException.Closed) {
        println("closed ${closed.code}")
    }
}

/** With a flow, a listener and the log at work, nothing closed, and nobody who waits. */
@OptIn(DelicateCoroutinesApi::class)
private fun endWithStreamsOpen(): Unit = runBlocking {
    forwardLogs(LogLevel.TRACE)
    val server = TestServer.start()
    val (anna, bob) = server.phone("anna") to server.phone("bob")
    val clients = List(2) { Client.connect(Store.memory(), ClientOptions(testServer = server)) }
    clients.forEach { pair(it, anna) }
    val heard = Channel<Unit>(Channel.CONFLATED)
    GlobalScope.launch { clients[0].events().collect { heard.trySend(Unit) } }
    val listening = clients[1].listen { heard.trySend(Unit) }
    GlobalScope.launch { while (true) bob.sendText(anna.address(), "hello") }
    withTimeout(30.seconds) { repeat(10) { heard.receive() } }
    println("done")
    Reference.reachabilityFence(listening)
}
