package io.github.wa.tests

import io.github.wa.*
import java.security.MessageDigest
import java.time.Duration
import java.time.Instant
import java.util.HexFormat
import kotlin.test.assertContains
import kotlin.test.assertContentEquals
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertFalse
import kotlin.test.assertIs
import kotlin.test.assertNotNull
import kotlin.test.assertNull
import kotlin.test.assertTrue
import kotlinx.coroutines.flow.filterIsInstance
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.map
import kotlinx.coroutines.withTimeout
import org.junit.jupiter.api.Test

/** What messages say, what they have besides, and their files. */
class MessagesTest {
    private val day = Duration.ofDays(1)
    private val date = Instant.ofEpochSecond(1_900_000_000)

    @Test
    fun messagesOfManyKinds() = onTestServer {
        val (anna, bob) = phone("anna") to phone("bob")
        val client = link("anna")

        suspend fun send(message: Message): Pair<MessageKey, PhoneMessage> {
            val sent = client.send(bob.address(), message)
            val received = bob.nextMessage()
            assertEquals(sent.id, received.id)
            return sent.key to received
        }

        suspend fun contentOf(message: Message): Content = send(message).second.content

        // Out.
        val picture = client.upload(ByteArray(3000) { 1 }, MediaKind.IMAGE)
        val imageOptions = ImageOptions(caption = "look", width = 40u, height = 30u)
        val image = assertIs<Content.Image>(contentOf(Message.image(picture, imageOptions)))
        assertEquals(Triple<String?, UInt?, UInt?>("look", 40u, 30u), Triple(image.caption, image.width, image.height))
        assertEquals(MediaKind.IMAGE to 3000uL, image.file.kind() to image.file.length())

        val webp = client.upload(ByteArray(2000) { 2 }, MediaKind.STICKER)
        val sticker = assertIs<Content.Sticker>(contentOf(Message.sticker(webp)))
        assertEquals("image/webp" to false, sticker.mimetype to sticker.animated)

        val place = assertIs<Content.Location>(contentOf(Message.location(52.5, 13.25, "here")))
        assertEquals(Triple<Double, Double, String?>(52.5, 13.25, "here"), Triple(place.latitude, place.longitude, place.name))

        val card = cardOfNumber("Carla", phone("carla").number())
        assertEquals(listOf(card), assertIs<Content.Contacts>(contentOf(Message.contacts(listOf(card)))).cards)

        val (first, _) = send(Message.text("first"))
        val edit = assertIs<Content.Edit>(contentOf(Message.edit(first, Message.text("second"))))
        assertEquals(first.id, edit.target.id)
        assertEquals("second", assertIs<Content.Text>(edit.message.content()).text)
        assertEquals(first.id, assertIs<Content.Delete>(contentOf(Message.delete(first))).target.id)

        // In, and what answers it.
        bob.sendText(anna.address(), "a question")
        val asked = nextMessage(client)
        val thumb = assertIs<Content.Reaction>(contentOf(Message.reaction(asked.key, "👍")))
        assertEquals(asked.id to "👍", thumb.target.id to thumb.emoji)
        assertNull(assertIs<Content.Reaction>(contentOf(Message.reaction(asked.key, ""))).emoji)
        val (answered, answer) = send(Message.text("an answer").replyTo(asked.key, asked.message))
        assertEquals("an answer" to asked.id, answer.text to answer.quoted)
        bob.send(anna.address(), Message.reaction(answer.key, "❤"))
        val heart = assertIs<Content.Reaction>(nextMessage(client).content)
        assertEquals(answered.id to "❤", heart.target.id to heart.emoji)
        bob.send(anna.address(), Message.location(1.0, 2.0))
        assertEquals(1.0, assertIs<Content.Location>(nextMessage(client).content).latitude)

        eachOtherWayMakesItsKind(client, bob)

        // A poll, and the votes of two.
        val other = link("bob")
        val options = listOf("tea", "coffee", "water")
        val (poll, shown) = send(Message.poll("What?", options))
        val offered = assertIs<Content.Poll>(shown.content)
        assertEquals(Triple("What?", options, 1u), Triple(offered.question, offered.options, offered.selectable))
        PollTally.of(shown.message, poll).use { tally ->
            val seen = nextMessage(other).key
            other.send(anna.address(), Message.pollVote(seen, listOf("coffee")))
            val voted = nextMessage(client)
            assertEquals(poll.id, assertIs<Content.PollVote>(voted.content).poll.id)
            assertTrue(tally.add(voted))
            // What is about the poll, and says nothing of its votes.
            bob.send(anna.address(), Message.reaction(poll.copy(chat = anna.address(), fromMe = false), "🤔"))
            assertFalse(tally.add(nextMessage(client)))
            tally.cast(anna.lid(), Instant.now(), listOf("coffee", "tea"))
            assertEquals(listOf("tea" to 0, "coffee" to 2, "water" to 0), tally.options().map { it.name to it.voters.size })
            // Taken back.
            other.send(anna.address(), Message.pollVote(seen, listOf()))
            val taken = nextMessage(client)
            assertEquals(listOf(), assertIs<Content.PollVote>(taken.content).selected)
            assertTrue(tally.add(taken))
            assertEquals(listOf(0, 1, 0), tally.options().map { it.voters.size })
        }
        assertEquals("no_poll", assertFailsWith<WaException.Invalid> { PollTally.of(Message.text("no poll"), poll) }.code)

        whatIsSealedIsOpened(client, other)
    }

    private suspend fun eachOtherWayMakesItsKind(client: Client, bob: TestPhone) {
        val first = client.send(bob.address(), Message.text("first")).key
        bob.nextMessage()
        val film = client.upload(ByteArray(5000) { 4 }, MediaKind.VIDEO)
        val round = client.upload(ByteArray(4000) { 5 }, MediaKind.ROUND_VIDEO)
        val gif = client.upload(ByteArray(3000) { 1 }, MediaKind.GIF)
        val sound = client.upload(ByteArray(2500) { 6 }, MediaKind.AUDIO)
        val voice = client.upload(ByteArray(2000) { 2 }, MediaKind.VOICE_NOTE)
        val picture = Message.image(client.upload(ByteArray(3000) { 7 }, MediaKind.IMAGE), ImageOptions(caption = "look"))
        val webp = client.upload(ByteArray(2000) { 8 }, MediaKind.STICKER)
        val cards = listOf("Carla" to "15550000001", "Dora" to "15550000002").map { (name, number) -> cardOfNumber(name, number) }
        val file = client.upload(ByteArray(1000) { 3 }, MediaKind.DOCUMENT)
        val document = Message.document(file, DocumentOptions(fileName = "a.txt", mimetype = "text/plain", caption = "read"))
        val wave = ByteArray(64) { it.toByte() }
        val pack = NewStickerPack("cats-1", "Cats", "Ana", webp(0), listOf(NewSticker(webp(1), listOf("🐈"), "a cat")))
        val made = listOf<Pair<Message, (Content) -> Boolean>>(
            Message.link("see https://example.org", LinkOptions("https://example.org", title = "Example")) to
                { it == Content.Text("see https://example.org", "https://example.org") },
            Message.video(film, VideoOptions(caption = "a film")) to
                { it is Content.Video && it.kind == VideoKind.FILM && it.caption == "a film" },
            Message.video(round) to { it is Content.Video && it.kind == VideoKind.ROUND },
            Message.video(gif, VideoOptions(kind = VideoKind.GIF, duration = Duration.ofSeconds(9), width = 40u, height = 30u)) to
                { it is Content.Video && it.kind == VideoKind.GIF && it.duration == Duration.ofSeconds(9) && it.width == 40u },
            Message.audio(sound) to { it is Content.Audio && !it.voiceNote },
            Message.audio(voice, AudioOptions(voiceNote = true, waveform = wave)) to
                { it is Content.Audio && it.voiceNote && it.waveform.contentEquals(wave) },
            document to { it is Content.Document && it.fileName to it.mimetype == "a.txt" to "text/plain" },
            picture.viewOnce() to { it is Content.Image && it.viewOnce && it.caption == "look" },
            picture.inAlbum(first) to { it is Content.Image && !it.viewOnce && it.caption == "look" },
            Message.sticker(webp, StickerOptions(animated = true, label = "a cat")) to
                { it is Content.Sticker && it.animated && it.label == "a cat" },
            Message.contacts(cards) to { it == Content.Contacts(cards) },
            Message.poll("2 + 2?", listOf("3", "4"), PollOptions(answer = "4")) to { it is Content.Poll && it.quiz },
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
    private suspend fun whatIsSealedIsOpened(client: Client, other: Client) {
        val (anna, bob) = client.ownAddresses().first() to other.ownAddresses().first()

        suspend fun send(message: Message): Pair<MessageKey, MessageReceived> {
            val sent = client.send(bob, message)
            // What the phone wrote meanwhile comes, too.
            val received = withTimeout(PATIENCE) {
                other.events().filterIsInstance<Event.Message>().map { it.message }.first { it.id == sent.id }
            }
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

        val changed = assertIs<Content.Edit>(send(Message.edit(poll, Message.poll("When?", listOf("now", "later")))).second.content)
        assertEquals(poll.id to "When?", changed.target.id to assertIs<Content.Poll>(changed.message.content()).question)

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

    /** Whoever writes to the account says what he likes. An event that cannot be read would come again for good. */
    @Test
    fun timesBeyondTheCalendarArrive() = onTestServer {
        val (client, anna, bob) = Triple(link("anna"), phone("anna"), phone("bob"))

        suspend fun write(encoded: String): Content {
            bob.send(anna.address(), Message.decode(HexFormat.of().parseHex(encoded)))
            return nextMessage(client).content
        }
        val last: Instant? = Instant.parse("9999-12-31T23:59:59Z")
        // It begins after all seconds that there are, and ends at milliseconds that were taken for seconds.
        val far = assertIs<Content.Occasion>(write("da04161a0346617238ffffffffffffffff7f4080f0cc86a637"))
        assertEquals(Triple("Far", last, last), Triple(far.name, far.starts, far.ends))
        val late = assertIs<Content.ScheduledCall>(write("ea031208ffffffffffffffff7f10011a044c617465"))
        assertEquals("Late" to last, late.title to late.at)
        val long = assertIs<Content.CallLog>(write("aa04100801100118ffffffffffffffff7f2000"))
        assertEquals(Duration.ofSeconds(253_402_300_799), long.duration)
        bob.sendText(anna.address(), "and now")
        assertEquals("and now", nextMessage(client).text)
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
