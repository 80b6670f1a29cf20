package io.github.wa.tests

import io.github.wa.*
import java.nio.file.Path
import java.time.Duration
import kotlin.test.assertContains
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertFalse
import kotlin.test.assertIs
import kotlin.test.assertNotEquals
import kotlin.test.assertTrue
import kotlinx.coroutines.flow.first
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir

/** Who is there, who is in a group, and what an account may do: the calls that no scenario makes. */
class PeopleTest {
    @TempDir
    lateinit var folder: Path

    @Test
    fun presenceAndTypingAreSeen() = onTestServer {
        val (anna, bob) = link("anna") to link("bob")
        val (toAnna, toBob) = phone("anna").address() to phone("bob").address()
        anna.watchPresence(toBob)
        assertFalse(anna.next<Event.Presence>().available)
        bob.setAvailable(true)
        val here = anna.next<Event.Presence>()
        assertTrue(here.available)
        assertContains(bob.ownAddresses(), here.user)

        bob.setTyping(toAnna, TypingState.RECORDING)
        val recording = anna.next<Event.Typing>()
        assertEquals(TypingState.RECORDING, recording.state)
        assertContains(bob.ownAddresses(), recording.user)

        // Nobody tells of somebody who is watched no more. The answer to a question says that the service knows.
        anna.unwatchPresence(toBob)
        anna.checkNumbers(listOf(phone("bob").number()))
        bob.setAvailable(false)
        bob.setTyping(toAnna, TypingState.PAUSED)
        val next = assertIs<Event.Typing>(anna.events().first { it is Event.Presence || it is Event.Typing })
        assertEquals(TypingState.PAUSED, next.state)
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
    }

    @Test
    fun whatIsQueuedCanBeTakenBack() = onTestServer {
        val (anna, bob) = link("anna") to phone("bob")
        anna.disconnect()
        val (first, second) = List(2) { anna.enqueue(bob.address(), Message.text("text $it")) }
        assertEquals<List<SendState?>>(listOf(SendState.Queued, SendState.Queued), listOf(anna.sentState(first), anna.sentState(second)))
        assertEquals(Cancellation.CANCELLED, anna.cancelSend(first))
        anna.reconnect()
        assertEquals(second, bob.nextMessage().id)
        assertEquals(Cancellation.TOO_LATE, anna.cancelSend(second))
    }

    @Test
    fun anAccountIsChanged() = onTestServer {
        ClientManager.open(folder, testServer = server).use { manager ->
            val account = manager.create(AccountSpec(name = "anna", settings = AccountSettings(syncLimit = 7u)))
            val version = account.snapshot().version
            val settings = SettingsChange(strictDailyLimit = true, timeZone = "Asia/Jakarta")
            val changed = account.update("Anna", settings, mapOf("color" to "green"), version)
            assertEquals("Anna" to mapOf("color" to "green"), changed.displayName to changed.metadata)
            assertEquals(Triple(true, "Asia/Jakarta", 7.toUShort()), changed.settings.run { Triple(strictDailyLimit, timeZone, syncLimit) })
            assertEquals(changed, account.snapshot())
            assertFailsWith<WaException.Conflict> { account.update("Bob", version = version) }

            account.setTrustLevel(2u, "a person", "known for years")
            assertEquals(2.toUByte(), account.trust().level)
            val high = assertFailsWith<WaException.Invalid> { account.setTrustLevel(6u, "a person", "the best") }
            assertEquals("invalid_level", high.code)
        }
    }

    @Test
    fun whatALimitHoldsUpWaitsInTheOutbox() = onTestServer {
        ClientManager.open(folder, testServer = server).use { manager ->
            val account = linkedAccount(manager, phone("anna"), "anna")
            val strangers = List(2) { phone("stranger $it").address() }
            // Who is a stranger is known once the phone told of the past.
            until { account.preview(strangers[0]) is Preview.Allowed }
            assertIs<SendResult.Sent>(account.send(strangers[0], Message.text("hello")))
            val later = AccountSendOptions(onLimit = LimitChoice.Enqueue(Duration.ofDays(3)))
            val queued = assertIs<SendResult.Queued>(account.send(strangers[1], Message.text("hello"), later))
            assertEquals(listOf(queued.id to strangers[1]), account.outbox().map { it.id to it.to })
            assertTrue(account.cancelSend(queued.id))
            assertFalse(account.cancelSend(queued.id))
            assertEquals(listOf(), account.outbox())

            manager.batchStop(listOf("anna"))
            assertEquals(AccountStatus.IDLE, account.snapshot().status)
            assertEquals(listOf(null, "not_found"), manager.batchStart(listOf("anna", "nobody")).map { it.error })
            account.reached(AccountStatus.READY)
        }
    }
}
