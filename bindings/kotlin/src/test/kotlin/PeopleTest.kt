package io.github.wa.tests

import io.github.wa.*
import java.nio.file.Path
import java.time.Duration
import java.time.Instant
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertFalse
import kotlin.test.assertIs
import kotlin.test.assertNotEquals
import kotlin.test.assertNotNull
import kotlin.test.assertTrue
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.withTimeout
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir

/** Who is there, who is in a group, what waits to be sent, and how an account of a manager is set up. */
class PeopleTest {
    @TempDir
    lateinit var folder: Path

    @Test
    fun presenceAndTyping() = onTestServer {
        val (client, other) = link("anna") to link("bob")
        val (anna, bob) = phone("anna") to phone("bob")
        client.watchPresence(bob.lid())
        val atFirst = client.next<Event.Presence>()
        assertEquals(bob.lid() to false, atFirst.user to atFirst.available)
        other.setAvailable(true)
        assertTrue(client.next<Event.Presence>().available)
        other.setAvailable(false)
        val gone = client.next<Event.Presence>()
        assertFalse(gone.available)
        assertNotNull(gone.lastSeen)

        for ((isTyping, state) in listOf(true to TypingState.COMPOSING, false to TypingState.PAUSED)) {
            bob.typing(anna.lid(), isTyping)
            val heard = client.next<Event.Typing>()
            assertEquals(bob.lid() to state, heard.user to heard.state)
        }
        for (state in listOf(TypingState.COMPOSING, TypingState.RECORDING, TypingState.PAUSED)) {
            client.setTyping(bob.lid(), state)
            val heard = other.next<Event.Typing>()
            assertEquals(anna.lid() to state, heard.user to heard.state)
        }
        val unknown = assertFailsWith<WaException.Invalid> { client.setTyping(bob.lid(), TypingState.UNKNOWN) }
        assertEquals("invalid_typing", unknown.code)
        ClientManager.open(folder, testServer = server).use { manager ->
            linkedAccount(manager, phone("carla"), "carla").setTyping(bob.lid(), TypingState.RECORDING)
            val heard = other.next<Event.Typing>()
            assertEquals(phone("carla").lid() to TypingState.RECORDING, heard.user to heard.state)
        }

        // Nobody tells of somebody who is watched no more: the message comes, and nothing before it. The answer to a question says
        // that the service knows.
        client.unwatchPresence(bob.lid())
        client.checkNumbers(listOf(bob.number()))
        other.setAvailable(true)
        other.send(anna.address(), Message.text("I am here"))
        val next = withTimeout(PATIENCE) { client.events().first { it is Event.Presence || it is Event.Message } }
        assertEquals("I am here", assertIs<Event.Message>(next).message.text)
    }

    @Test
    fun membersOfAGroupComeAndGo() = onTestServer {
        val (anna, bob, carla) = Triple(link("anna"), phone("bob"), phone("carla"))
        val dora = link("dora")
        val group = anna.createGroup("friends", listOf(bob.address())).group.address

        suspend fun roles() = anna.group(group).members.associate { it.lid to it.role }

        suspend fun isDone(outcomes: List<MemberOutcome>) = assertEquals(listOf(null), outcomes.map { it.refused })
        isDone(anna.addMembers(group, listOf(carla.address())))
        until { roles()[carla.lid()] == MemberRole.MEMBER }
        assertEquals(1, anna.addMembers(group, listOf(carla.address())).count { it.refused != null })
        isDone(anna.promote(group, listOf(carla.address())))
        until { roles()[carla.lid()] == MemberRole.ADMIN }
        isDone(anna.demote(group, listOf(carla.address())))
        until { roles()[carla.lid()] == MemberRole.MEMBER }
        isDone(anna.removeMembers(group, listOf(bob.address())))
        until { bob.lid() !in roles() }

        anna.setGroupDescription(group, "about us")
        anna.setGroup(group, GroupSetting.Announcement(true))
        until { anna.group(group).run { description to isAnnouncement } == "about us" to true }

        // By a link, and when an admin lets them in.
        val old = anna.groupInviteLink(group)
        val link = anna.groupInviteLink(group, reset = true)
        assertNotEquals(old, link)
        assertFailsWith<WaException> { dora.joinGroup(old) }
        assertEquals("friends", dora.groupOfLink(link).subject)
        anna.setGroup(group, GroupSetting.JoinApproval(true))
        assertEquals(JoinOutcome(group, isWaiting = true), dora.joinGroup(link))
        val asking = anna.joinRequests(group).map { it.user }
        assertEquals(1, asking.size)
        isDone(anna.answerJoinRequests(group, asking, true))
        until { roles()[phone("dora").lid()] == MemberRole.MEMBER }
        assertTrue(dora.groups().any { it.address == group })

        // Who lets nobody add them is sent an invitation.
        phone("dora").refuseAdding()
        val crew = anna.createGroup("crew", listOf(bob.address())).group.address
        val (code, expires) = assertNotNull(anna.addMembers(crew, listOf(phone("dora").address())).single().invitation)
        anna.send(phone("dora").address(), Message.groupInvite(crew, code, "crew", expires))
        val received = nextMessage(dora)
        val invite = assertIs<Content.GroupInvite>(received.content)
        assertEquals(Triple(crew, code, expires), Triple(invite.group, invite.code, invite.expires))
        assertEquals(JoinOutcome(crew, isWaiting = false), dora.acceptGroupInvite(crew, code, expires, received.sender))
    }

    @Test
    fun queuedMessagesAreTakenBack() = onTestServer {
        val (client, bob) = link("anna") to phone("bob")
        client.disconnect()
        val options = SendOptions(id = client.newMessageId())
        val first = client.enqueue(bob.address(), Message.text("one"), options)
        assertEquals(options.id, first)
        val (second, third) = listOf("two", "three").map { client.enqueue(bob.address(), Message.text(it)) }
        for (id in listOf(first, second, third)) assertEquals<SendState?>(SendState.Queued, client.sentState(id))
        assertEquals(Cancellation.CANCELLED, client.cancelSend(second))
        assertEquals("cancelled", assertIs<SendState.Failed>(client.sentState(second)).code)
        assertEquals(Cancellation.NOT_FOUND, client.cancelSend(client.newMessageId()))
        client.reconnect()
        val received = List(2) { bob.nextMessage() }
        assertEquals(listOf(first, third), received.map { it.id })
        assertEquals(listOf<String?>("one", "three"), received.map { it.text })
        for (id in listOf(first, third)) assertEquals(Cancellation.TOO_LATE, client.cancelSend(id))
        client.send(bob.address(), Message.text("four"))
        assertEquals("four", bob.nextMessage().text)
    }

    @Test
    fun settingsOfAnAccount() = onTestServer {
        val database = folder.resolve("manager.db")
        val changed = ClientManager.open(folder, database, testServer = server).use { manager ->
            val account = linkedAccount(manager, phone("anna"), "anna")
            val before = account.snapshot()
            account.update(settings = SettingsChange(syncLimit = 7u))
            val version = account.update("Anna", metadata = mapOf("color" to "green")).version
            val settings = SettingsChange(strictDailyLimit = true, timeZone = "Asia/Jakarta", storage = MediaStorage.DATABASE)
            val changed = account.update(settings = settings, version = version)
            // What was not named stays.
            assertEquals("Anna" to mapOf("color" to "green"), changed.displayName to changed.metadata)
            val expected = before.settings.copy(
                syncLimit = 7u, strictDailyLimit = true, timeZone = "Asia/Jakarta", storage = MediaStorage.DATABASE,
            )
            assertEquals(expected, changed.settings)
            assertFailsWith<WaException.Conflict> { account.update("Bob", version = version) }
            val wrong = assertFailsWith<WaException.Invalid> { account.update(settings = SettingsChange(syncLimit = 501u)) }
            assertEquals("invalid_settings", wrong.code)

            account.setTrustLevel(2u, "a person", "known for years")
            account.setDailyLimit(3u, "a person")
            assertEquals(2.toUByte() to 3u, account.trust().run { level to dailyLimit })
            val high = assertFailsWith<WaException.Invalid> { account.setTrustLevel(4u, "a person", "a wish") }
            assertEquals("too_high", high.code)
            val none = assertFailsWith<WaException.Invalid> { account.setTrustLevel(6u, "a person", "the best") }
            assertEquals("invalid_level", none.code)
            account.setTrustLevel(1u, "a person", "a new number")

            // One stranger a day at this level: the next one's message waits.
            val strangers = List(2) { phone("stranger $it").address() }
            until { account.preview(strangers[0]) is Preview.Allowed }
            assertIs<SendResult.Sent>(account.send(strangers[0], Message.text("hello")))
            val later = AccountSendOptions(onLimit = LimitChoice.Enqueue(Duration.ofDays(3)))
            val queued = assertIs<SendResult.Queued>(account.send(strangers[1], Message.text("hello"), later))
            assertEquals(0uL to true, queued.position to (queued.earliestAt > Instant.now()))
            assertEquals(listOf(queued.id to strangers[1]), account.outbox().map { it.id to it.to })
            assertTrue(account.cancelSend(queued.id))
            assertFalse(account.cancelSend(queued.id))
            assertEquals(listOf(), account.outbox())

            manager.create(AccountSpec(name = "unlinked"))
            assertEquals(listOf(null, "not_found"), manager.batchStop(listOf("anna", "nobody")).map { it.error })
            assertEquals(AccountStatus.IDLE to 0uL, account.snapshot().status to manager.health().connected)
            val started = manager.batchStart(listOf("anna", "unlinked", "nobody"))
            assertEquals(listOf(null, "not_linked", "not_found"), started.map { it.error })
            account.reached(AccountStatus.READY)
            changed
        }
        ClientManager.open(folder, database, testServer = server).use { manager ->
            val account = manager.account("anna")
            val snapshot = account.snapshot()
            assertEquals(changed.settings, snapshot.settings)
            assertEquals(changed.displayName to changed.metadata, snapshot.displayName to snapshot.metadata)
            assertEquals(1.toUByte(), account.trust().level)
        }
    }
}
