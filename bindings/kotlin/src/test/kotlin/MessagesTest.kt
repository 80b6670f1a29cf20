package io.github.wa.tests

import io.github.wa.*
import java.security.MessageDigest
import java.time.Duration
import java.time.Instant
import kotlin.test.assertContains
import kotlin.test.assertContentEquals
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertFalse
import kotlin.test.assertIs
import kotlin.test.assertNotNull
import kotlin.test.assertTrue
import org.junit.jupiter.api.Test

/** The ways to make a message that no scenario takes, and what belongs to files. */
class MessagesTest {
    private val day = Duration.ofDays(1)
    private val date = Instant.ofEpochSecond(1_900_000_000)

    /** One that the table lacks arrives as something else than is expected of the next. */
    @Test
    fun eachWayMakesItsKind() = onTestServer {
        val (client, bob) = link("anna") to phone("bob")
        val first = client.send(bob.address(), Message.text("first")).key
        bob.nextMessage()
        val gif = client.upload(ByteArray(3000) { 1 }, MediaKind.GIF)
        val voice = client.upload(ByteArray(2000) { 2 }, MediaKind.VOICE_NOTE)
        val file = client.upload(ByteArray(1000) { 3 }, MediaKind.DOCUMENT)
        val document = Message.document(file, DocumentOptions(fileName = "a.txt", mimetype = "text/plain", caption = "read"))
        val wave = ByteArray(64) { it.toByte() }
        val pack = NewStickerPack("cats-1", "Cats", "Ana", webp(0), listOf(NewSticker(webp(1), listOf("🐈"), "a cat")))
        val made = listOf<Pair<Message, (Content) -> Boolean>>(
            Message.link("see https://example.org", LinkOptions("https://example.org", title = "Example")) to
                { it == Content.Text("see https://example.org", "https://example.org") },
            Message.video(gif, VideoOptions(kind = VideoKind.GIF, duration = Duration.ofSeconds(9), width = 40u, height = 30u)) to
                { it is Content.Video && it.kind == VideoKind.GIF && it.duration == Duration.ofSeconds(9) && it.width == 40u },
            Message.audio(voice, AudioOptions(voiceNote = true, waveform = wave)) to
                { it is Content.Audio && it.voiceNote && it.waveform.contentEquals(wave) },
            Message.liveLocation(52.5, 13.25, "on my way", 7) to { it == Content.LiveLocation(52.5, 13.25, "on my way", 7) },
            Message.album(2u, 1u) to { it == Content.Album(2u, 1u) },
            Message.occasion(OccasionOptions("Party", date, date + day, "bring cake")) to
                { it == Content.Occasion("Party", "bring cake", date, date + day, false) },
            Message.groupInvite("120363000000000001@g.us", "CODE", "Crew", date) to
                { it == Content.GroupInvite("120363000000000001@g.us", "CODE", "Crew", date, null) },
            Message.memberLabel("Cook") to { it == Content.MemberLabel("Cook") },
            Message.pin(first, day) to { it is Content.Pin && it.target.id == first.id && it.duration == day },
            Message.unpin(first) to { it is Content.Pin && it.target.id == first.id && it.duration == null },
            Message.keep(first, true) to { it is Content.Keep && it.target.id == first.id && it.kept },
            Message.keep(first, false) to { it is Content.Keep && it.target.id == first.id && !it.kept },
            Message.forward(document) to { it is Content.Document && it.caption == "read" },
            Message.decode(Message.text("kept").encoded()) to { it == Content.Text("kept", null) },
            client.uploadStickerPack(pack) to { it is Content.StickerPack && it.name to it.publisher == "Cats" to "Ana" },
            Message.disappearing(day) to { it == Content.Disappearing(day) },
            Message.disappearing() to { it == Content.Disappearing(null) },
        )
        for ((message, isIt) in made) {
            val sent = client.send(bob.address(), message)
            val received = bob.nextMessage()
            assertEquals(sent.id, received.id)
            assertTrue(isIt(received.content), "${received.content}")
        }
        assertEquals("no_message", assertFailsWith<WaException.Invalid> { Message.decode(byteArrayOf(-1)) }.code)
    }

    /** The secret of a message opens what is added to it: who has the message reads that. */
    @Test
    fun whatIsSealedIsOpened() = onTestServer {
        val (client, other) = link("anna") to link("bob")
        val (anna, bob) = phone("anna").address() to phone("bob").address()

        suspend fun send(message: Message): Pair<MessageKey, MessageReceived> {
            val sent = client.send(bob, message)
            val received = nextMessage(other)
            assertEquals(sent.id, received.id)
            return sent.key to received
        }
        val (said, _) = send(Message.text("hello"))
        val comment = assertIs<Content.Comment>(send(Message.comment(said, Message.text("indeed"))).second.content)
        assertEquals(said.id to Content.Text("indeed", null), comment.target.id to comment.message.content())

        val (poll, offered) = send(Message.poll("What?", listOf("tea", "coffee")))
        val (_, more) = send(Message.pollOption(poll, "water"))
        val option = assertIs<Content.PollOption>(more.content)
        assertEquals(poll.id to "water", option.poll.id to option.name)
        PollTally.of(offered.message, offered.key).use { tally ->
            assertTrue(tally.add(more))
            assertEquals(listOf("tea", "coffee", "water"), tally.options().map { it.name })
        }

        val (party, invited) = send(Message.occasion(OccasionOptions("Party", date)))
        val edit = assertIs<Content.Edit>(send(Message.edit(party, Message.occasion(OccasionOptions("Feast", date)))).second.content)
        assertEquals(party.id to "Feast", edit.target.id to assertIs<Content.Occasion>(edit.message.content()).name)
        val answers = listOf(
            Message.occasionAnswer(invited.key, true, 2u) to (true to 2u),
            Message.occasionAnswer(invited.key, false) to (false to 0u),
            Message.occasionAnswer(invited.key) to (null to 0u),
        )
        for ((answer, expected) in answers) {
            other.send(anna, answer)
            val received = assertIs<Content.OccasionAnswer>(nextMessage(client).content)
            assertEquals<Pair<Boolean?, UInt>>(expected, received.going to received.guests)
            assertEquals(party.id, received.occasion.id)
        }

        // Whoever does not have the message cannot.
        val unknown = assertFailsWith<WaException.Invalid> { client.send(bob, Message.comment(said.copy(id = "UNKNOWN"), Message.text("x"))) }
        assertEquals("unknown_secret", unknown.code)
    }

    @Test
    fun whatIsAddedToAMessageArrives() = onTestServer {
        val (client, anna, bob) = Triple(link("anna"), phone("anna"), phone("bob"))
        val text = Message.text("@${anna.lid().substringBefore('@')} hello")
        val picture = Message.image(client.upload(ByteArray(3000) { 1 }, MediaKind.IMAGE))
        val album = MessageKey(anna.address(), "ALBUM", true)
        val changes = listOf(
            text to text.mention(listOf(anna.lid())),
            text to text.mentionAll(),
            text to text.expireAfter(Duration.ofMinutes(1)),
            picture to picture.viewOnce(),
            picture to picture.inAlbum(album),
        )
        val received = changes.map { (plain, changed) ->
            assertFalse(plain.encoded().contentEquals(changed.encoded()))
            bob.send(anna.address(), changed)
            val received = nextMessage(client)
            assertContentEquals(changed.encoded(), received.message.encoded())
            received
        }
        assertEquals(listOf(listOf(anna.lid()), listOf(), listOf(), listOf(), listOf()), received.map { it.mentions })
        assertEquals(listOf(true, false), received.drop(3).map { assertIs<Content.Image>(it.content).viewOnce })
        val wrong = assertFailsWith<WaException.Invalid> { text.mention(listOf("nobody@")) }
        assertEquals("invalid_address", wrong.code)
    }

    @Test
    fun aMessageWithANameIsSentOnce() = onTestServer {
        val (client, bob) = link("anna") to phone("bob")
        val id = client.newMessageId()
        for (options in listOf(SendOptions(id = id), SendOptions(idempotencyKey = "the host's own"))) {
            val (first, again) = List(2) { client.send(bob.address(), Message.text("text $it"), options) }
            assertEquals(first, again)
            if (options.id != null) assertEquals(id, first.id)
            client.send(bob.address(), Message.text("and now"))
            assertEquals(listOf<String?>("text 0", "and now"), List(2) { bob.nextMessage().text })
        }
        // Our own phone has a copy of each.
        val copies = mutableListOf<String?>()
        until {
            val copy = phone("anna").tryNextMessage()
            if (copy != null) assertTrue(copy.fromMe)
            copy?.let { copies += it.text }
            copies.size == 4
        }
        assertEquals(listOf<String?>("text 0", "and now", "text 0", "and now"), copies)
    }

    @Test
    fun aPhoneUploadsAFileAgain() = onTestServer {
        val (client, other) = link("anna") to link("bob")
        val anna = phone("anna")
        val content = ByteArray(3000) { 1 }

        suspend fun picture(): Pair<MessageReceived, Attachment> {
            other.send(anna.address(), Message.image(other.upload(content, MediaKind.IMAGE)))
            anna.nextMessage()
            val received = nextMessage(client)
            return received to assertIs<Content.Image>(received.content).file
        }
        val (received, file) = picture()
        assertContentEquals(MessageDigest.getInstance("SHA-256").digest(content), file.sha256())
        val again = client.requestReupload(received.key, file, Duration.ofSeconds(20))
        assertContentEquals(file.sha256(), again.sha256())
        assertContentEquals(content, client.downloadBytes(again, 5000u))

        // The phone is off; what it says later comes as an event.
        val (late, lateFile) = picture()
        anna.goOffline()
        val silent = assertFailsWith<WaException.Unavailable> { client.requestReupload(late.key, lateFile, Duration.ofMillis(50)) }
        assertContains(silent.message(), "phone")
        anna.goOnline()
        val told = client.next<Event.Reuploaded>()
        assertEquals(late.id, told.id)
        assertContentEquals(content, client.downloadBytes(lateFile.moved(told.place), 5000u))
        val nowhere = assertFailsWith<WaException> { client.downloadBytes(lateFile.moved("/nowhere"), 5000u) }
        assertFalse(nowhere is WaException.Invalid, "$nowhere")

        assertEquals(MediaKind.DOCUMENT, file.withKind(MediaKind.DOCUMENT).kind())
        assertEquals("media_kind", assertFailsWith<WaException.Invalid> { file.withKind(MediaKind.OTHER) }.code)
        assertNotNull(file.length())
    }

    /** The head of a WebP of 512 by 512 pixels, and something behind it. */
    private fun webp(mark: Byte): ByteArray =
        "RIFF\u0000\u0000\u0000\u0000WEBPVP8X\n\u0000\u0000\u0000".encodeToByteArray() +
            byteArrayOf(0, 0, 0, 0, -1, 1, 0, -1, 1, 0) + ByteArray(2000) { mark }
}
