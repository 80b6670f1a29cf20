import Foundation
import Wa
import XCTest

/// What messages say, and what belongs to files.
final class MessageTests: TestServerCase {
    private let day: TimeInterval = 86400
    private let date = Date(timeIntervalSince1970: 1_900_000_000)

    func testMessagesOfManyKinds() async throws {
        let (anna, bob) = (try server.phone(name: "anna"), try server.phone(name: "bob"))
        let client = try await link("anna")
        func send(_ message: Message) async throws -> (sent: MessageKey, received: PhoneMessage) {
            let sent = try await client.send(message, to: bob.address())
            let received = try await bob.nextMessage()
            XCTAssertEqual(received.id, sent.id)
            return (sent.key, received)
        }

        // Out.
        let picture = try await client.upload(Data(repeating: 1, count: 3000), kind: .image)
        var got = try await send(.image(file: picture, options: ImageOptions(caption: "look", width: 40, height: 30))).received
        guard case .image(let file, _, let caption, let width, let height, _, _) = got.content else {
            return XCTFail("\(got.content)")
        }
        XCTAssertEqual(caption, "look")
        XCTAssertEqual([width, height], [40, 30])
        XCTAssertEqual(file.kind(), .image)
        XCTAssertEqual(file.length(), 3000)

        let webp = try await client.upload(Data(repeating: 2, count: 2000), kind: .sticker)
        got = try await send(.sticker(file: webp)).received
        guard case .sticker(_, "image/webp", animated: false, _) = got.content else { return XCTFail("\(got.content)") }

        got = try await send(.location(latitude: 52.5, longitude: 13.25, name: "here")).received
        guard case .location(52.5, 13.25, "here", _) = got.content else { return XCTFail("\(got.content)") }

        let card = try cardOfNumber(name: "Carla", number: server.phone(name: "carla").number())
        got = try await send(.contacts(cards: [card])).received
        guard case .contacts(let cards) = got.content else { return XCTFail("\(got.content)") }
        XCTAssertEqual(cards, [card])

        let first = try await send(.text("first")).sent
        got = try await send(.edit(target: first, message: .text("second"))).received
        guard case .edit(let target, let edited) = got.content else { return XCTFail("\(got.content)") }
        XCTAssertEqual(target.id, first.id)
        guard case .text("second", _) = edited.content() else { return XCTFail("\(edited.content())") }
        got = try await send(.delete(target: first)).received
        guard case .delete(let gone) = got.content else { return XCTFail("\(got.content)") }
        XCTAssertEqual(gone.id, first.id)

        // In, and what answers it.
        try await bob.sendText(to: anna.address(), text: "a question")
        let asked = try await nextMessage(client)
        got = try await send(.reaction(target: asked.key, emoji: "👍")).received
        guard case .reaction(let liked, "👍") = got.content else { return XCTFail("\(got.content)") }
        XCTAssertEqual(liked.id, asked.id)
        got = try await send(.reaction(target: asked.key, emoji: "")).received
        guard case .reaction(let unliked, nil) = got.content else { return XCTFail("\(got.content)") }
        XCTAssertEqual(unliked.id, asked.id)
        let (answered, answer) = try await send(.text("an answer").reply(to: asked))
        XCTAssertEqual(answer.text, "an answer")
        XCTAssertEqual(answer.quoted, asked.id)
        try await bob.send(to: anna.address(), message: .reaction(target: answer.key, emoji: "❤"))
        let reaction = try await nextMessage(client)
        guard case .reaction(let loved, "❤") = reaction.content else { return XCTFail("\(reaction.content)") }
        XCTAssertEqual(loved.id, answered.id)
        try await bob.send(to: anna.address(), message: .location(latitude: 1, longitude: 2))
        let place = try await nextMessage(client)
        guard case .location(1, 2, _, _) = place.content else { return XCTFail("\(place.content)") }

        try await eachOtherWayMakesItsKind(client, bob)

        // A poll, and the votes of two.
        let other = try await link("bob")
        let options = ["tea", "coffee", "water"]
        let (poll, offered) = try await send(.poll(question: "What?", options: options))
        guard case .poll("What?", let choices, selectable: 1, _) = offered.content else {
            return XCTFail("\(offered.content)")
        }
        XCTAssertEqual(choices, options)
        let tally = try PollTally.of(poll: offered.message, key: poll)
        let ballot = try await nextMessage(other)
        try await other.send(.pollVote(poll: ballot.key, options: ["coffee"]), to: anna.address())
        let voted = try await nextMessage(client)
        guard case .pollVote(let of, _) = voted.content else { return XCTFail("\(voted.content)") }
        XCTAssertEqual(of.id, poll.id)
        XCTAssertTrue(try tally.add(voted))
        XCTAssertFalse(try tally.add(asked))
        // One choice of a voter counts here, however many are named.
        try tally.cast(voter: anna.lid(), at: Date(), options: ["coffee", "tea"])
        XCTAssertEqual(tally.options().map(\.name), options)
        XCTAssertEqual(tally.options().map(\.voters.count), [0, 2, 0])
        let refused = try await failure { try PollTally.of(poll: .text("no poll"), key: poll) }
        guard case .Invalid = refused else { return XCTFail("\(refused)") }
        XCTAssertEqual(refused.code, "no_poll")

        try await whatIsSealedIsOpened(client, other)
    }

    private func eachOtherWayMakesItsKind(_ client: Client, _ bob: TestPhone) async throws {
        func arrives(_ message: Message, line: UInt = #line, _ isIt: (Content) -> Bool) async throws {
            let sent = try await client.send(message, to: bob.address())
            let received = try await bob.nextMessage()
            XCTAssertEqual(received.id, sent.id, line: line)
            XCTAssertTrue(isIt(received.content), "\(received.content)", line: line)
        }
        let first = try await client.send(.text("first"), to: bob.address()).key
        _ = try await bob.nextMessage()

        try await arrives(.link(text: "see https://example.org", link: LinkOptions(url: "https://example.org", title: "Example"))) {
            if case .text("see https://example.org", "https://example.org") = $0 { true } else { false }
        }
        let film = try await client.upload(Data(repeating: 4, count: 5000), kind: .video)
        let caption = VideoOptions(caption: "a film", duration: 9, width: 40, height: 30)
        try await arrives(.video(file: film, options: caption)) {
            if case .video(_, .film, "video/mp4", "a film", 9, 40, 30, nil, viewOnce: false) = $0 { true } else { false }
        }
        let round = try await client.upload(Data(repeating: 5, count: 4000), kind: .roundVideo)
        try await arrives(.video(file: round)) {
            if case .video(_, .round, _, nil, nil, nil, nil, nil, viewOnce: false) = $0 { true } else { false }
        }
        let gif = try await client.upload(Data(repeating: 1, count: 3000), kind: .gif)
        try await arrives(.video(file: gif, options: VideoOptions(kind: .gif, duration: 9, width: 40, height: 30))) {
            if case .video(_, .gif, "video/mp4", nil, 9, 40, 30, nil, viewOnce: false) = $0 { true } else { false }
        }
        let sound = try await client.upload(Data(repeating: 6, count: 2500), kind: .audio)
        try await arrives(.audio(file: sound)) {
            if case .audio(_, "audio/mp4", nil, voiceNote: false, nil, viewOnce: false) = $0 { true } else { false }
        }
        let voice = try await client.upload(Data(repeating: 2, count: 2000), kind: .voiceNote)
        let wave = Data(0..<64)
        try await arrives(.audio(file: voice, options: AudioOptions(voiceNote: true, waveform: wave))) {
            if case .audio(_, _, nil, voiceNote: true, let shown, viewOnce: false) = $0 { shown == wave } else { false }
        }
        try await arrives(.liveLocation(latitude: 52.5, longitude: 13.25, caption: "on my way", sequence: 7)) {
            if case .liveLocation(52.5, 13.25, "on my way", 7) = $0 { true } else { false }
        }
        try await arrives(.album(images: 2, videos: 1)) {
            if case .album(2, 1) = $0 { true } else { false }
        }
        try await arrives(.poll(question: "2 + 2?", options: ["3", "4"], how: PollOptions(answer: "4"))) {
            if case .poll("2 + 2?", ["3", "4"], selectable: 1, quiz: true) = $0 { true } else { false }
        }
        let party = OccasionOptions(name: "Party", starts: date, ends: date + day, description: "bring cake")
        try await arrives(.occasion(occasion: party)) {
            guard case .occasion("Party", "bring cake", let starts, let ends, canceled: false) = $0 else { return false }
            return starts == date && ends == date + day
        }
        let group = "120363000000000001@g.us"
        try await arrives(.groupInvite(group: group, code: "CODE", name: "Crew", expires: date)) {
            if case .groupInvite("120363000000000001@g.us", "CODE", "Crew", let expires, nil) = $0 { expires == date } else { false }
        }
        try await arrives(.memberLabel(label: "Cook")) {
            if case .memberLabel("Cook") = $0 { true } else { false }
        }
        try await arrives(.pin(target: first, duration: day)) {
            if case .pin(let target, 86400) = $0 { target.id == first.id } else { false }
        }
        try await arrives(.unpin(target: first)) {
            if case .pin(let target, nil) = $0 { target.id == first.id } else { false }
        }
        try await arrives(.keep(target: first, isKept: true)) {
            if case .keep(let target, kept: true) = $0 { target.id == first.id } else { false }
        }
        try await arrives(.keep(target: first, isKept: false)) {
            if case .keep(let target, kept: false) = $0 { target.id == first.id } else { false }
        }
        let file = try await client.upload(Data(repeating: 3, count: 1000), kind: .document)
        let paper = DocumentOptions(fileName: "a.pdf", mimetype: "application/pdf", title: "A", pages: 3)
        try await arrives(.document(file: file, options: paper)) {
            if case .document(_, "application/pdf", "a.pdf", nil, 3, nil) = $0 { true } else { false }
        }
        let options = DocumentOptions(fileName: "a.txt", mimetype: "text/plain", caption: "read")
        try await arrives(.forward(received: .document(file: file, options: options))) {
            if case .document(_, "text/plain", "a.txt", "read", nil, nil) = $0 { true } else { false }
        }
        try await arrives(.decode(encoded: Message.text("kept").encoded())) {
            if case .text("kept", nil) = $0 { true } else { false }
        }
        let sticker = NewSticker(webp: webp(1), emojis: ["🐈"], label: "a cat")
        let pack = NewStickerPack(id: "cats-1", name: "Cats", publisher: "Ana", trayIcon: webp(0), stickers: [sticker])
        try await arrives(client.uploadStickerPack(pack: pack)) {
            if case .stickerPack(_, "Cats", "Ana") = $0 { true } else { false }
        }
        try await arrives(.disappearing(after: day)) {
            if case .disappearing(86400) = $0 { true } else { false }
        }
        try await arrives(.disappearing()) {
            if case .disappearing(nil) = $0 { true } else { false }
        }
        let wrong = try await failure { try Message.decode(encoded: Data([255])) }
        XCTAssertEqual(wrong.code, "no_message")
    }

    /// The secret of a message opens what is added to it: who has the message reads that.
    private func whatIsSealedIsOpened(_ client: Client, _ other: Client) async throws {
        let (anna, bob) = (try server.phone(name: "anna").address(), try server.phone(name: "bob").address())
        func send(_ message: Message) async throws -> (key: MessageKey, received: MessageReceived) {
            let sent = try await client.send(message, to: bob)
            let received = try await nextMessage(other)
            XCTAssertEqual(received.id, sent.id)
            return (sent.key, received)
        }
        let said = try await send(.text("hello")).key
        let comment = try await send(.comment(target: said, message: .text("indeed"))).received.content
        guard case .comment(let target, let message) = comment, case .text("indeed", nil) = message.content() else {
            return XCTFail("\(comment)")
        }
        XCTAssertEqual(target.id, said.id)

        let (poll, offered) = try await send(.poll(question: "What?", options: ["tea", "coffee"]))
        let more = try await send(.pollOption(poll: poll, name: "water")).received
        guard case .pollOption(let of, "water") = more.content else { return XCTFail("\(more.content)") }
        XCTAssertEqual(of.id, poll.id)
        let tally = try PollTally.of(poll: offered.message, key: offered.key)
        XCTAssertTrue(try tally.add(more))
        XCTAssertEqual(tally.options().map(\.name), ["tea", "coffee", "water"])

        let (party, invited) = try await send(.occasion(occasion: OccasionOptions(name: "Party", starts: date)))
        let feast = Message.occasion(occasion: OccasionOptions(name: "Feast", starts: date))
        let edit = try await send(.edit(target: party, message: feast)).received.content
        guard case .edit(let edited, let content) = edit, case .occasion("Feast", _, _, _, _) = content.content() else {
            return XCTFail("\(edit)")
        }
        XCTAssertEqual(edited.id, party.id)
        let answers: [(Message, Bool?, UInt32)] = [
            (try .occasionAnswer(occasion: invited.key, going: true, guests: 2), true, 2),
            (try .occasionAnswer(occasion: invited.key, going: false), false, 0),
            (try .occasionAnswer(occasion: invited.key), nil, 0),
        ]
        for (answer, isGoing, count) in answers {
            try await other.send(answer, to: anna)
            let received = try await nextMessage(client).content
            guard case .occasionAnswer(let occasion, let going, let guests) = received else { return XCTFail("\(received)") }
            XCTAssertEqual(occasion.id, party.id)
            XCTAssertEqual(going, isGoing)
            XCTAssertEqual(guests, count)
        }

        // Whoever does not have the message cannot.
        let missing = MessageKey(chat: said.chat, id: "UNKNOWN", fromMe: true)
        let unknown = try await failure { try await client.send(.comment(target: missing, message: .text("x")), to: bob) }
        guard case .Invalid = unknown else { return XCTFail("\(unknown)") }
        XCTAssertEqual(unknown.code, "unknown_secret")
    }

    /// Whoever writes may name any time: what is beyond the calendar is told as its last second.
    func testTimesBeyondTheCalendarArrive() async throws {
        let (client, anna, bob) = (try await link("anna"), try server.phone(name: "anna"), try server.phone(name: "bob"))
        func arrives(_ hex: String, line: UInt = #line, _ isIt: (Content) -> Bool) async throws {
            try await bob.send(to: anna.address(), message: .decode(encoded: bytes(hex)))
            let received = try await nextMessage(client)
            XCTAssertTrue(isIt(received.content), "\(received.content)", line: line)
        }
        let lastSecond: TimeInterval = 253_402_300_799
        let last = Date(timeIntervalSince1970: lastSecond)
        // By seconds, of which both are too many; by milliseconds; and a call that took as long.
        try await arrives("da04161a0346617238ffffffffffffffff7f4080f0cc86a637") {
            guard case .occasion("Far", nil, let starts, let ends, canceled: false) = $0 else { return false }
            return starts == last && ends == last
        }
        try await arrives("ea031208ffffffffffffffff7f10011a044c617465") {
            if case .scheduledCall("Late", let at, _) = $0 { at == last } else { false }
        }
        try await arrives("aa04100801100118ffffffffffffffff7f2000") {
            if case .callLog(_, _, let duration) = $0 { duration == lastSecond } else { false }
        }
        try await bob.sendText(to: anna.address(), text: "still here")
        let next = try await nextMessage(client)
        XCTAssertEqual(next.text, "still here")
    }

    func testWhatIsAddedToAMessageArrives() async throws {
        let (client, anna, bob) = (try await link("anna"), try server.phone(name: "anna"), try server.phone(name: "bob"))
        let text = Message.text("@\(anna.lid().prefix { $0 != "@" }) hello")
        let picture = Message.image(file: try await client.upload(Data(repeating: 1, count: 3000), kind: .image))
        let album = MessageKey(chat: anna.address(), id: "ALBUM", fromMe: true)
        let changes = [
            (text, try text.mention(users: [anna.lid()])),
            (text, text.mentionAll()),
            (text, text.expireAfter(time: 60)),
            (picture, picture.viewOnce()),
            (picture, try picture.inAlbum(album: album)),
        ]
        var received: [MessageReceived] = []
        for (plain, changed) in changes {
            XCTAssertNotEqual(plain.encoded(), changed.encoded())
            try await bob.send(to: anna.address(), message: changed)
            let message = try await nextMessage(client)
            XCTAssertEqual(message.message.encoded(), changed.encoded())
            received.append(message)
        }
        XCTAssertEqual(received.map(\.mentions), [[anna.lid()], [], [], [], []])
        let once = received[3...].map { message in
            if case .image(_, _, _, _, _, _, viewOnce: true) = message.content { true } else { false }
        }
        XCTAssertEqual(once, [true, false])
        let wrong = try await failure { try text.mention(users: ["nobody@"]) }
        XCTAssertEqual(wrong.code, "invalid_address")
    }

    func testAMessageWithANameIsSentOnce() async throws {
        let (client, anna, bob) = (try await link("anna"), try server.phone(name: "anna"), try server.phone(name: "bob"))
        let id = try client.newMessageId()
        for options in [SendOptions(id: id), SendOptions(idempotencyKey: "the host's own")] {
            let first = try await client.send(.text("once"), to: bob.address(), options: options)
            let again = try await client.send(.text("twice"), to: bob.address(), options: options)
            XCTAssertEqual(again, first)
            XCTAssertEqual(options.id.map { first.id == $0 } ?? true, true)
            try await client.send(.text("and now"), to: bob.address())
            for text in ["once", "and now"] {
                let received = try await bob.nextMessage()
                XCTAssertEqual(received.text, text)
            }
        }
        // Our own phone has a copy of each.
        let copies = try await soon {
            var copies: [String?] = []
            while copies.count < 4 {
                if let copy = try anna.tryNextMessage() {
                    XCTAssertTrue(copy.fromMe)
                    copies.append(copy.text)
                } else {
                    try await Task.sleep(nanoseconds: 5_000_000)
                }
            }
            return copies
        }
        XCTAssertEqual(copies, ["once", "and now", "once", "and now"])
    }

    func testAPhoneUploadsAFileAgain() async throws {
        let (client, other, anna) = (try await link("anna"), try await link("bob"), try server.phone(name: "anna"))
        let content = Data(repeating: 1, count: 3000)
        func picture() async throws -> (MessageReceived, Attachment) {
            let sent = try await other.upload(content, kind: .image)
            try await other.send(.image(file: sent), to: anna.address())
            _ = try await anna.nextMessage()
            let received = try await nextMessage(client)
            guard case .image(let file, _, _, _, _, _, _) = received.content else { throw StreamEnded() }
            return (received, file)
        }
        let (received, file) = try await picture()
        let digest = file.sha256()?.map { String(format: "%02x", $0) }.joined()
        XCTAssertEqual(digest, "003164e6603fa379c3e677ac09e2b6e5b761d47bd7418e9e5642196d2d26f536")
        let again = try await client.requestReupload(message: received.key, file: file, within: 20)
        XCTAssertEqual(again.sha256(), file.sha256())
        let bytes = try await client.download(again, limit: 5000)
        XCTAssertEqual(bytes, content)

        // The phone is off; what it says later comes as an event.
        let (late, lateFile) = try await picture()
        anna.goOffline()
        let silent = try await failure {
            try await client.requestReupload(message: late.key, file: lateFile, within: 0.05)
        }
        guard case .Unavailable = silent else { return XCTFail("\(silent)") }
        try anna.goOnline()
        let told = try await soon {
            for await case .reuploaded(_, let id, let place) in client.events() { return (id, place) }
            throw StreamEnded()
        }
        XCTAssertEqual(told.0, late.id)
        let moved = try await client.download(lateFile.moved(place: told.1), limit: 5000)
        XCTAssertEqual(moved, content)
        let nowhere = try await failure { try await client.download(lateFile.moved(place: "/nowhere"), limit: 5000) }
        if case .Invalid = nowhere { XCTFail("\(nowhere)") }

        XCTAssertEqual(try file.withKind(kind: .document).kind(), .document)
        let wrong = try await failure { try file.withKind(kind: .other) }
        XCTAssertEqual(wrong.code, "media_kind")
    }

    private func bytes(_ hex: String) -> Data {
        let digits = Array(hex)
        return Data(stride(from: 0, to: digits.count, by: 2).map { UInt8(String(digits[$0..<$0 + 2]), radix: 16)! })
    }

    /// The head of a WebP of 512 by 512 pixels, and something behind it.
    private func webp(_ mark: UInt8) -> Data {
        Data("RIFF\0\0\0\0WEBPVP8X\n\0\0\0".utf8) + Data([0, 0, 0, 0, 255, 1, 0, 255, 1, 0]) + Data(repeating: mark, count: 2000)
    }
}
