package io.github.wa.tests

import io.github.wa.*
import java.nio.file.Path
import java.time.Instant
import kotlin.test.assertContains
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertFalse
import kotlin.test.assertNotNull
import kotlin.test.assertTrue
import kotlinx.coroutines.flow.filterIsInstance
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.map
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir

/** Accounts of a manager from their making to their end. */
class AccountsTest {
    @TempDir
    lateinit var folder: Path

    @Test
    fun accountsAreMadeListedAndDeleted() = onTestServer {
        ClientManager.open(folder, testServer = server).use { manager ->
            val anna = phone("anna")
            manager.createAndPair(PairRequest(), AccountSpec(tenant = "shop", name = "anna")).use { ticket ->
                assertTrue(ticket.id().isNotEmpty())
                assertTrue(ticket.expiresAt() > Instant.now())
                anna.scan(ticket.updates().filterIsInstance<PairingUpdate.Qr>().first().text)
                ticket.updates().first { it is PairingUpdate.Linked }
            }
            val account = manager.accountOf("shop", "anna")
            account.reached(AccountStatus.READY)
            assertEquals("anna", manager.account(account.id()).name())
            // A name alone is one of the default tenant's.
            assertFailsWith<WaException.NotFound> { manager.account("anna") }
            manager.create(AccountSpec(name = "idle"))
            assertEquals(setOf("anna", "idle"), manager.accounts().map { it.name }.toSet())
            assertEquals(listOf("anna"), manager.accounts(tenant = "shop").map { it.name })
            assertEquals(listOf("idle"), manager.accounts(status = "idle").map { it.name })
            val wrong = assertFailsWith<WaException.Invalid> { manager.accounts(status = "happy") }
            assertEquals("invalid_status", wrong.code)

            val events = manager.eventsSince(0u, 1000u)
            assertEquals(listOf("account.created", "account.created"), events.map { it.kind }.filter { it == "account.created" })
            assertEquals(events.map { it.seq }.sorted(), events.map { it.seq })
            assertEquals(listOf(events[1].id), manager.eventsSince(events[0].seq, 1u).map { it.id })

            manager.delete(account.id())
            assertEquals(listOf(), anna.linkedDevices())
            assertFailsWith<WaException.NotFound> { manager.accountOf("shop", "anna") }
            assertEquals(listOf(null, "not_found"), manager.batchDelete(listOf("idle", "nobody")).map { it.error })
            assertEquals(listOf(), manager.accounts())
        }
    }

    @Test
    fun aTicketIsCalledOff() = onTestServer {
        ClientManager.open(folder, testServer = server).use { manager ->
            val account = manager.create()
            account.pair(PairRequest(phoneNumber = phone("anna").number())).use { ticket ->
                ticket.updates().filterIsInstance<PairingUpdate.Code>().first()
                // No other code as long as this one is good.
                val early = assertFailsWith<WaException.Conflict> { ticket.refresh() }
                assertEquals("code_outstanding", early.code)
                assertNotNull(early.retryAfter)
                ticket.cancel()
                assertEquals("cancelled", ticket.updates().filterIsInstance<PairingUpdate.Failed>().first().code)
                assertFalse(ticket.ready())
                assertEquals("not_pairing", assertFailsWith<WaException.Conflict> { ticket.refresh() }.code)
            }
            account.reached(AccountStatus.IDLE)
        }
    }

    @Test
    fun anAttemptGoesOnWithoutItsTicketUntilItIsCalledOff() = onTestServer {
        ClientManager.open(folder, testServer = server).use { manager ->
            val account = manager.create()
            account.pair(PairRequest()).close()
            assertEquals("already_pairing", assertFailsWith<WaException.Conflict> { account.pair(PairRequest()) }.code)
            // QR codes are replaced by themselves.
            account.refreshPairing()
            account.cancelPairing()
            assertFailsWith<WaException.Conflict> { account.cancelPairing() }
            account.pair(PairRequest()).use { ticket ->
                phone("anna").scan(ticket.updates().filterIsInstance<PairingUpdate.Qr>().first().text)
                account.reached(AccountStatus.READY)
            }
        }
    }

    @Test
    fun anAccountIsStartedAnewAndUnlinked() = onTestServer {
        ClientManager.open(folder, testServer = server).use { manager ->
            val (anna, bob) = phone("anna") to phone("bob")
            val account = linkedAccount(manager, anna, "anna")
            val before = manager.lastEvent()
            val restarted = account.restart()
            assertEquals(AccountStatus.READY to true, restarted.before to restarted.changed)
            account.reached(AccountStatus.READY)
            assertContains(manager.eventsSince(before, 100u).map { it.kind }, "account.status")
            val found = account.checkNumbers(listOf(bob.number(), "19995550000"))
            assertEquals(listOf<Boolean?>(true, false), found.map { it.isRegistered })
            account.setTyping(bob.lid(), TypingState.COMPOSING)

            assertTrue(account.logout().changed)
            assertEquals(listOf(), anna.linkedDevices())
            assertEquals(false to AccountStatus.IDLE, account.snapshot().run { isLinked to status })
            assertFalse(account.logout(force = true).changed)
            assertFailsWith<WaException.NotLinked> { account.start() }
        }
    }

    @Test
    fun usageIsForgivenOnceADay() = onTestServer {
        ClientManager.open(folder, testServer = server).use { manager ->
            val account = linkedAccount(manager, phone("anna"), "anna")
            account.setDailyLimit(3u, "a person")
            assertEquals(3u, account.trust().dailyLimit)
            assertEquals("above_level", assertFailsWith<WaException.Invalid> { account.setDailyLimit(51u, "a person") }.code)
            val stranger = phone("stranger").address()
            until { account.preview(stranger) is Preview.Allowed }
            account.send(stranger, Message.text("hello"))
            account.resetUsage("a person", "a test")
            val told = manager.eventsSince(0u, 1000u).map { it.data }.single { "reset_usage" in it }
            assertContains(told, "\"forgiven\":1")
            val again = assertFailsWith<WaException.Limited> { account.resetUsage("a person", "a test") }
            assertEquals("already_reset", again.code)
            assertNotNull(again.until)
        }
    }

    @Test
    fun aPhoneIsAskedForThePast() = onTestServer {
        ClientManager.open(folder, testServer = server).use { manager ->
            val (anna, bob) = phone("anna") to phone("bob")
            val account = linkedAccount(manager, anna, "anna")
            val cursor = manager.lastEvent()
            bob.sendText(anna.address(), "hello")
            val events = manager.events(after = cursor).filterIsInstance<ManagerUpdate.Event>().map { it.event }
            events.first { it.message != null }
            val job = account.syncHistory(7u, listOf(bob.address()))
            val done = events.first { it.kind == "history.progress" && "\"state\":\"running\"" !in it.data }
            assertContains(done.data, job)
            assertContains(done.data, "\"state\":\"done\"")
            assertFailsWith<WaException.NotFound> { account.syncHistory(chats = listOf(phone("carla").address())) }
            assertEquals("invalid_limit", assertFailsWith<WaException.Invalid> { account.syncHistory(501u) }.code)
        }
    }

    @Test
    fun votesForAnAccountAreCounted() = onTestServer {
        val (anna, bob) = phone("anna") to link("bob")
        ClientManager.open(folder, testServer = server).use { manager ->
            val account = linkedAccount(manager, anna, "anna")
            until { account.preview(phone("bob").address()) is Preview.Allowed }
            val poll = Message.poll("What?", listOf("tea", "coffee"))
            account.send(phone("bob").address(), poll)
            val asked = nextMessage(bob)
            bob.send(anna.address(), Message.pollVote(asked.key, listOf("coffee")))
            val voted = manager.events(after = 0u).filterIsInstance<ManagerUpdate.Event>().map { it.event.message }.first { it != null }
            PollTally.of(poll, MessageKey(phone("bob").address(), asked.id, true)).use { tally ->
                assertTrue(tally.addInbound(assertNotNull(voted)))
                assertEquals(listOf("tea" to 0, "coffee" to 1), tally.options().map { it.name to it.voters.size })
            }
        }
    }
}
