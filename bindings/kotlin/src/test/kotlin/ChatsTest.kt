package io.github.wa.tests

import io.github.wa.*
import java.time.Duration
import java.time.Instant
import java.time.temporal.ChronoUnit
import kotlin.test.assertContains
import kotlin.test.assertContentEquals
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertFalse
import kotlin.test.assertNotNull
import kotlin.test.assertNull
import kotlin.test.assertTrue
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.withTimeout
import org.junit.jupiter.api.Test

/** How chats stand, who is known, and what an account shows of itself. */
class ChatsTest {
    @Test
    fun contactsAndChats() = onTestServer {
        // Two devices of one account.
        val (client, other) = link("anna") to link("anna")
        val (bob, carla) = phone("bob").lid() to phone("carla").lid()

        suspend fun areKept(vararg expected: Contact) = until { other.contacts().toSet() == expected.toSet() }
        val contact = Contact(address = bob, fullName = "Bob B.", firstName = "Bob", username = "bob.b")
        client.putContact(contact)
        areKept(contact)
        val renamed = contact.copy(fullName = "Robert B.")
        client.putContact(renamed)
        areKept(renamed)
        val another = Contact(address = carla, fullName = "Carla")
        client.putContact(another)
        areKept(renamed, another)
        for (device in listOf(client, other)) assertEquals(renamed, device.contact(bob))
        client.removeContact(carla)
        areKept(renamed)
        for (device in listOf(client, other)) assertNull(device.contact(carla))

        val tomorrow = Instant.now().truncatedTo(ChronoUnit.SECONDS) + Duration.ofDays(1)

        suspend fun isSo(expected: ChatSettings) = until { other.chatSettings(bob) == expected }
        val plain = ChatSettings(isArchived = false, isPinned = false, isMuted = false, mutedUntil = null, isMarkedUnread = false, isLocked = false)
        isSo(plain)
        client.archiveChat(bob, true)
        isSo(plain.copy(isArchived = true))
        client.archiveChat(bob, false)
        client.pinChat(bob, true)
        isSo(plain.copy(isPinned = true))
        client.pinChat(bob, false)
        client.muteChat(bob)
        isSo(plain.copy(isMuted = true))
        client.muteChat(bob, tomorrow)
        isSo(plain.copy(isMuted = true, mutedUntil = tomorrow))
        client.unmuteChat(bob)
        client.markChat(bob, false)
        isSo(plain.copy(isMarkedUnread = true))
        client.markChat(bob, true)
        client.lockChat(bob, true)
        isSo(plain.copy(isLocked = true))
        client.lockChat(bob, false)
        isSo(plain)
        assertEquals(plain, client.chatSettings(bob))

        phone("bob").sendText(phone("anna").address(), "hello")
        val received = nextMessage(client)
        client.star(received.key, true)
        until { other.starred().map { it.id to it.fromMe } == listOf(received.id to false) }
        client.star(client.starred().single(), false)
        until { other.starred().isEmpty() }
    }

    @Test
    fun favoritesAndHiddenStatuses() = onTestServer {
        val client = link("anna")
        val (bob, carla) = phone("bob").address() to phone("carla").address()
        client.setFavorites(listOf(carla, bob))
        assertEquals(listOf(carla, bob), client.favorites())
        client.muteStatus(bob, true)
        assertTrue(client.isStatusMuted(bob))
        client.muteStatus(bob, false)
        assertFalse(client.isStatusMuted(bob))
    }

    @Test
    fun messagesAndChatsAreRemoved() = onTestServer {
        val (client, bob) = link("anna") to phone("bob")
        bob.sendText(phone("anna").address(), "hello")
        val received = nextMessage(client)

        suspend fun isTold(kind: String) = withTimeout(PATIENCE) { client.events().first { it is Event.State && it.index.first() == kind } }
        client.deleteForMe(received.key, received.timestamp)
        isTold("deleteMessageForMe")
        val newest = NewestMessage(received.key, received.timestamp)
        client.clearChat(bob.address(), newest, withStarred = true)
        isTold("clearChat")
        client.deleteChat(bob.address(), newest, withMedia = true)
        isTold("deleteChat")
    }

    @Test
    fun usersAreBlockedAndTheirCallsRejected() = onTestServer {
        val (client, bob) = link("anna") to phone("bob")
        client.block(bob.lid())
        assertEquals(listOf(bob.lid()), client.blocked())
        client.unblock(bob.lid())
        assertEquals(listOf(), client.blocked())

        bob.call(phone("anna").address(), "CALL1", true)
        val call = client.next<Event.Call>()
        assertEquals(Triple("CALL1", "offer", true), Triple(call.id, call.what, call.video))
        client.rejectCall(call.call)
    }

    @Test
    fun whatAnAccountShowsIsSeen() = onTestServer {
        val (client, other) = link("anna") to link("bob")
        val (anna, bob) = phone("anna") to phone("bob")
        client.setAbout("gone fishing")
        assertEquals(listOf<String?>("gone fishing"), other.userInfo(listOf(anna.lid())).map { it.about })
        client.setAvailable(true)
        client.setPushName("Anna A.")
        client.send(bob.address(), Message.text("hello"))
        assertEquals("Anna A.", nextMessage(other).pushName)

        val jpeg = byteArrayOf(-1, -40, -1, -32, 1, 2, 3)
        assertNull(other.picture(anna.lid(), 1000u))
        client.setPicture(jpeg)
        assertContentEquals(jpeg, other.picture(anna.lid(), 1000u))
        assertFailsWith<WaException.Invalid> { other.picture(anna.lid(), 3u) }
        client.setPicture()
        assertNull(other.picture(anna.lid(), 1000u))
        val refused = assertFailsWith<WaException.Refused> { client.setPicture("GIF89a".encodeToByteArray()) }
        assertEquals("refused_406", refused.code)

        val group = client.createGroup("friends", listOf(bob.address())).group.address
        client.setGroupPicture(group, jpeg)
        assertContentEquals(jpeg, other.picture(group, 1000u))
        client.setGroupPicture(group)
        assertNull(other.picture(group, 1000u))
    }

    @Test
    fun theServiceHasAClockAndNumbersHaveAddresses() = onTestServer {
        val (client, anna) = link("anna") to phone("anna")
        val now = Instant.now()
        assertContains(now - Duration.ofHours(1)..now + Duration.ofHours(1), assertNotNull(client.serverTime()))
        assertEquals(anna.address(), addressOfNumber(anna.number()))
        assertEquals("invalid_phone", assertFailsWith<WaException.Invalid> { addressOfNumber("no number") }.code)
    }
}
