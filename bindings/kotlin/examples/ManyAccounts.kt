/*
 * Ten accounts in one process, linked two at a time to phones of the test server. Each writes to the next, which answers.
 */

import io.github.wa.*
import java.nio.file.Path
import java.time.Duration
import kotlin.io.path.createTempDirectory
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.flow.filterIsInstance
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.sync.Semaphore
import kotlinx.coroutines.sync.withPermit

private const val COUNT = 10

/** In the status feed, a list or a channel an answer would be a post of our own. */
private val ANSWERED = setOf(ChatKind.DIRECT, ChatKind.GROUP)

suspend fun link(manager: ClientManager, phone: TestPhone): Account {
    val account = manager.create(AccountSpec(name = phone.name()))
    account.pair(PairRequest()).use { ticket ->
        ticket.updates().first { update ->
            when (update) {
                is PairingUpdate.Qr -> phone.scan(update.text)
                is PairingUpdate.Linked -> println("${phone.name()} is ${update.jid}")
                is PairingUpdate.Failed -> error("${update.detail}: ${update.hints}")
                else -> {}
            }
            update is PairingUpdate.Linked
        }
    }
    account.reached(AccountStatus.READY)
    return account
}

/** Answers every greeting, until each was answered. */
suspend fun answer(manager: ClientManager) {
    var answers = 0
    manager.events(after = 0u, kinds = listOf("message.received")).filterIsInstance<ManagerUpdate.Event>().first { (event) ->
        val received = event.message?.takeIf { !it.fromMe && it.chatKind in ANSWERED }
        if (received?.quoted != null) {
            println("${received.text}")
            answers++
        } else if (received != null) {
            manager.account(checkNotNull(event.account)).reply(received, Message.text("thank you for \"${received.text}\""))
        }
        answers == COUNT
    }
}

suspend fun tenAccounts(folder: Path) = TestServer.start().use { server ->
    val phones = List(COUNT) { server.phone("account-$it") }
    ClientManager.open(folder, database = folder.resolve("manager.db"), testServer = server).use { manager ->
        val two = Semaphore(2)
        val accounts = coroutineScope { phones.map { phone -> async { two.withPermit { link(manager, phone) } } }.awaitAll() }
        for ((account, phone) in accounts zip phones.drop(1) + phones.take(1)) {
            // Whom an account knows is clear once its phone told of the past; a stranger waits for that.
            val patient = AccountSendOptions(onLimit = LimitChoice.WaitUpTo(Duration.ofMinutes(5)))
            account.send(phone.address(), Message.text("hello ${phone.name()}"), patient)
        }
        answer(manager)
        for (snapshot in manager.accounts()) println("${snapshot.name}: ${snapshot.status}, ${snapshot.trust.sentToday} sent today")
    }
}

fun main(): Unit = runBlocking {
    val folder = createTempDirectory()
    try {
        tenAccounts(folder)
    } finally {
        folder.toFile().deleteRecursively()
    }
}
