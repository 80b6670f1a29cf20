import Foundation
import Wa
import XCTest

/// The scenarios of every language: see bindings/README.md.
final class ScenarioTests: TestServerCase {
    func testPairByQr() async throws {
        let phone = try server.phone(name: "anna")
        try await withClient(.memory(), ClientOptions(deviceName: "a test", testServer: server)) { client in
            let device = try await pair(client, phone)
            XCTAssertEqual(phone.linkedDevices(), [device])
            XCTAssertEqual(client.status(), .ready)
            let own = try await client.ownAddresses()
            XCTAssertEqual(own, [phone.address(), phone.lid()])
        }
    }

    func testPairByCode() async throws {
        let phone = try server.phone(name: "anna")
        let client = try await Client.connect(store: .memory(), options: onTheServer)
        try await soon {
            for await event in client.events() {
                switch event {
                case .pairingQr:
                    let code = try await client.pairWithCode(phoneNumber: phone.number())
                    XCTAssertEqual(code.count, 9)
                    XCTAssertEqual(Array(code)[4], "-")
                    try await phone.enterCode(code: code)
                case .connected:
                    return
                default:
                    break
                }
            }
            throw StreamEnded()
        }
        XCTAssertEqual(phone.linkedDevices().count, 1)
        try await client.shutdown()
    }

    func testPairByPasskey() async throws {
        let (anna, bob) = (try server.phone(name: "anna"), try server.phone(name: "bob"))
        let options = ClientOptions(testServer: server, answersPasskeys: true)
        try await withClient(.memory(), options) { client in
            let device = try await soon {
                var (asked, device): (TestPasskeyLink?, String) = (nil, "")
                for await event in client.events() {
                    switch event {
                    case .pairingQr(let text, _) where asked == nil:
                        asked = try anna.askPasskey(qr: text)
                    case .passkeyChallenge(let options):
                        let signed = try anna.signWithPasskey(options: options)
                        try client.respondPasskey(credentialId: signed.credentialId, assertion: signed.assertion)
                    case .passkeyCode(let code, isAsked: true):
                        let onPhone = try await asked?.code()
                        XCTAssertEqual(onPhone, code)
                        try client.confirmPasskey(isSame: true)
                        device = try await asked?.confirm() ?? ""
                    case .connected:
                        return device
                    default:
                        break
                    }
                }
                throw StreamEnded()
            }
            XCTAssertEqual(anna.linkedDevices(), [device])
            let late = try await failure { try client.confirmPasskey(isSame: true) }
            guard case .Conflict = late else { return XCTFail("\(late)") }
            XCTAssertEqual(late.code, "not_asked")
        }

        // Declined: the code that is shown links all the same.
        try await withClient(.memory(), options) { client in
            try await soon {
                var (asked, shown): (TestPasskeyLink?, String) = (nil, "")
                for await event in client.events() {
                    switch event {
                    case .pairingQr(let text, _) where asked == nil:
                        shown = text
                        asked = try bob.askPasskey(qr: text, inline: false)
                    case .passkeyChallenge:
                        try client.respondPasskey()
                    case .passkeyFailed(let code, _):
                        XCTAssertEqual(code, "declined")
                        try await bob.scan(qr: shown)
                    case .connected:
                        // The phone wanted the passkey until here.
                        return withExtendedLifetime(asked) {}
                    default:
                        break
                    }
                }
                throw StreamEnded()
            }
            XCTAssertEqual(bob.linkedDevices().count, 1)
        }
    }

    func testTextBothWays() async throws {
        let (client, bob) = (try await link("anna"), try server.phone(name: "bob"))
        let sent = try await client.send(.text("hello bob"), to: bob.address())
        let received = try await bob.nextMessage()
        XCTAssertEqual(received.id, sent.id)
        XCTAssertEqual(received.text, "hello bob")
        switch try await client.sentState(id: sent.id) {
        case .acked, .delivered: break
        case let state: XCTFail("\(String(describing: state))")
        }
        try bob.read(id: received.id)
        let read = try await soon {
            for await case .receipt(_, let ids, _, .read, _) in client.events() { return ids }
            throw StreamEnded()
        }
        XCTAssertEqual(read, [sent.id])
        let unknown = try await failure { try bob.read(id: "UNKNOWN") }
        XCTAssertEqual(unknown.code, "no_message")

        let answer = try Message.text("hello anna").replyTo(target: received.key, quoted: received.message)
        try await bob.send(to: server.phone(name: "anna").address(), message: answer)
        let message = try await nextMessage(client)
        XCTAssertEqual(message.text, "hello anna")
        XCTAssertEqual(message.quoted, sent.id)
        XCTAssertEqual(message.timestamp.timeIntervalSinceNow, 0, accuracy: 3600)
        try await client.markRead(messages: [message.key])
        try await bob.waitRead(id: message.id)

        try await client.send(.text("and you?").reply(to: message), to: message.chat)
        let again = try await bob.nextMessage()
        XCTAssertEqual(again.text, "and you?")
    }

    func testMediaBothWays() async throws {
        let (anna, bob) = (try await link("anna"), try await link("bob"))
        let bobsAddress = try await bob.ownAddresses()[0]
        let content = Data((0..<(1 << 20)).map { UInt8(truncatingIfNeeded: $0) })
        let (out, back) = (folder.appendingPathComponent("out.bin"), folder.appendingPathComponent("in.bin"))
        try content.write(to: out)
        let pieces = stride(from: 0, to: content.count, by: 100_000).map { content[$0..<min($0 + 100_000, content.count)] }
        let stream = AsyncStream { (feed: AsyncStream<Data>.Continuation) in
            pieces.forEach { feed.yield($0) }
            feed.finish()
        }
        let files = [
            try await anna.upload(contentsOf: out, kind: .document),
            try await anna.upload(content, kind: .document),
            try await anna.upload(pieces: pieces, kind: .document),
            try await anna.upload(pieces: stream, kind: .document),
        ]
        for file in files {
            let options = DocumentOptions(
                fileName: "out.bin", mimetype: "application/octet-stream", caption: "a file")
            try await anna.send(.document(file: file, options: options), to: bobsAddress)
        }
        for number in 0..<files.count {
            let message = try await nextMessage(bob)
            XCTAssertEqual(message.text, "a file")
            guard case .document(let file, _, let name, _, _, _) = message.content else {
                return XCTFail("\(message.content)")
            }
            XCTAssertEqual(name, "out.bin")
            switch number {
            case 0:
                try await bob.download(file, to: back)
                XCTAssertEqual(try Data(contentsOf: back), content)
            case 1:
                let bytes = try await bob.download(file, limit: 1 << 21)
                XCTAssertEqual(bytes, content)
                let error = try await failure { try await bob.download(file, limit: 1000) }
                guard case .Invalid = error else { return XCTFail("\(error)") }
            default:
                var bytes = Data()
                for try await piece in try bob.download(file) {
                    bytes += piece
                }
                XCTAssertEqual(bytes, content)
            }
        }
    }

    func testGroup() async throws {
        let (client, bob) = (try await link("anna"), try server.phone(name: "bob"))
        let made = try await client.createGroup(subject: "friends", members: [bob.address()])
        XCTAssertTrue(made.refused.isEmpty)
        XCTAssertEqual(made.group.subject, "friends")
        let group = made.group.address
        try await client.send(.text("hello all"), to: group)
        let received = try await bob.nextMessage()
        XCTAssertEqual(received.chat, group)
        XCTAssertEqual(received.text, "hello all")
        try await bob.sendText(to: group, text: "hello anna")
        let message = try await nextMessage(client)
        XCTAssertEqual(message.chat, group)
        XCTAssertEqual(message.chatKind, .group)
        XCTAssertEqual(message.text, "hello anna")
        try await client.setGroupSubject(group: group, subject: "good friends")
        let renamed = try await client.group(group: group)
        XCTAssertEqual(renamed.subject, "good friends")
        try await client.leaveGroup(group: group)
        let left = try await client.groups()
        XCTAssertFalse(left.contains { $0.address == group })
    }

    func testHistory() async throws {
        let (anna, bob) = (try server.phone(name: "anna"), try server.phone(name: "bob"))
        let texts = (0..<9).map { "text \($0)" }
        let ids = try anna.remember(chat: bob.address(), name: "Bob", texts: texts)
        let options = ClientOptions(testServer: server, readsHistory: true)
        try await withClient(.memory(), options) { client in
            let past = try XCTUnwrap(client.history())
            try await pair(client, anna)
            let (read, names) = try await soon { () -> ([String: PastMessage], [String?]) in
                var read: [String: PastMessage] = [:]
                var names: [String?] = []
                for await part in past {
                    // The newest come twice: at once, and with the rest.
                    for message in part.messages where message.content != nil {
                        read[message.key.id] = message
                    }
                    names += part.chats.map(\.name)
                    if read.count == 9 { return (read, names) }
                }
                throw StreamEnded()
            }
            XCTAssertTrue(names.contains("Bob"))
            let messages = read.values.sorted { $0.key.id < $1.key.id }
            XCTAssertEqual(messages.map(\.key.id), ids)
            for (message, text) in zip(messages, texts) {
                guard case .text(let content, _) = message.content else { return XCTFail("\(message)") }
                XCTAssertEqual(content, text)
            }
            XCTAssertEqual(messages[..<2].map(\.key.fromMe), [false, true])
            let newest = messages[8]
            let older = try await client.olderMessages(before: newest.key, at: newest.timestamp, count: 4, within: 30)
            XCTAssertEqual(older.map(\.key.id), Array(ids[4..<8].reversed()))
            // There is one stream, which ends when it is stopped.
            try client.history()?.stop()
            let part = await past.first { _ in true }
            XCTAssertNil(part)
        }
    }

    func testUnconfirmedEventsComeAgain() async throws {
        let (anna, bob) = (try server.phone(name: "anna"), try server.phone(name: "bob"))
        let file = folder.appendingPathComponent("account.db")
        try await withClient(Store.sqlite(file), onTheServer) { client in
            try await pair(client, anna)
            for text in ["one", "two", "three"] {
                try await bob.sendText(to: anna.address(), text: text)
            }
            let texts = try await soon {
                var texts: [String?] = []
                for await case .message(let message) in client.events().unconfirmed {
                    texts.append(message.text)
                    if message.text == "one" {
                        client.events().confirm(number: message.number)
                    }
                    if texts.count == 3 { break }
                }
                return texts
            }
            XCTAssertEqual(texts, ["one", "two", "three"])
        }
        // The loop confirms the second when it asks for the third, and does not ask again.
        try await withClient(Store.sqlite(file), onTheServer) { client in
            let texts = try await soon {
                var texts: [String?] = []
                for await case .message(let message) in client.events() {
                    texts.append(message.text)
                    if texts.count == 2 { break }
                }
                return texts
            }
            XCTAssertEqual(texts, ["two", "three"])
        }
        try await withClient(Store.sqlite(file), onTheServer) { client in
            let message = try await nextMessage(client)
            XCTAssertEqual(message.text, "three")
        }
    }

    func testASlowReaderHoldsTheAccountUp() async throws {
        let (anna, bob, server) = (try server.phone(name: "anna"), try server.phone(name: "bob"), server!)
        let texts = (0..<1500).map { "text \($0)" }
        try await withClient(.memory(), onTheServer) { client in
            let device = try await pair(client, anna)
            try await bob.sendTexts(to: anna.address(), texts: texts)
            // Nobody takes anything: a thousand wait here, and the service keeps most of what is more.
            let stream = client.events()
            try await eventually { stream.waiting() >= 1000 }
            XCTAssertEqual(stream.waiting(), 1000)
            XCTAssertGreaterThan(try server.waitingFor(device: device), 100)

            let heard = try await soon {
                var heard: [String?] = []
                for await case .message(let message) in stream {
                    heard.append(message.text)
                    if heard.count == texts.count { break }
                }
                return heard
            }
            XCTAssertEqual(heard, texts)
            try await eventually { try server.waitingFor(device: device) == 0 }
        }
    }

    func testTypedErrors() async throws {
        let (client, bob) = (try await link("anna"), try server.phone(name: "bob"))
        let invalid = try await failure { try await client.send(.text("x"), to: "not an address@") }
        guard case .Invalid = invalid else { return XCTFail("\(invalid)") }
        XCTAssertEqual(invalid.code, "invalid_address")
        XCTAssertTrue("\(invalid)".contains("no server part"))
        XCTAssertTrue(invalid.localizedDescription.contains("no server part"))
        XCTAssertFalse(invalid.isRetryable())

        let others = try server.phone(name: "carla").createGroup(subject: "others", members: [bob.address()])
        let refused = try await failure { try await client.send(.text("x"), to: others) }
        guard case .Refused = refused else { return XCTFail("\(refused)") }
        XCTAssertEqual(refused.code, "not_member")

        try await withManager(manager()) { manager in
            let missing = try await failure { try manager.account(account: "nobody") }
            guard case .NotFound = missing else { return XCTFail("\(missing)") }
            XCTAssertEqual(missing.code, "not_found")
            let account = try await manager.create()
            let idle = try await failure { try await account.send(.text("x"), to: bob.address()) }
            guard case .Unavailable = idle else { return XCTFail("\(idle)") }
            XCTAssertEqual(idle.code, "not_ready")
            XCTAssertTrue(idle.isRetryable())
        }

        let path = folder.appendingPathComponent("typed.db").path
        let held = try await Store.sqlite(path: path)
        let locked = try await failure { try await Store.sqlite(path: path) }
        withExtendedLifetime(held) {}
        guard case .Store = locked else { return XCTFail("\(locked)") }
        XCTAssertEqual(locked.code, "store_locked")
        XCTAssertTrue(locked.isRetryable())
        let notes = folder.appendingPathComponent("notes.txt")
        try String(repeating: "These are notes. ", count: 100).write(to: notes, atomically: true, encoding: .utf8)
        let foreign = try await failure { try await Store.sqlite(path: notes.path) }
        guard case .Store = foreign else { return XCTFail("\(foreign)") }
        XCTAssertEqual(foreign.code, "store_foreign")
        XCTAssertFalse(foreign.isRetryable())
    }

    func testCancelledCallsEnd() async throws {
        let (client, anna, bob) = (try await link("anna"), try server.phone(name: "anna"), try server.phone(name: "bob"))
        let before = runtimeUsage()
        server.delayAcks(delay: 600)
        let waiting = (0..<10).map { number in
            Task { try await client.send(.text("\(number)"), to: bob.address()) }
        }
        try await eventually { runtimeUsage().calls == before.calls + 10 }
        waiting.forEach { $0.cancel() }
        for task in waiting {
            do {
                _ = try await task.value
                XCTFail("it was not cancelled")
            } catch is CancellationError {}
        }
        XCTAssertEqual(runtimeUsage().calls, before.calls)
        XCTAssertEqual(runtimeUsage().cancelledCalls, before.cancelledCalls + 10)
        server.delayAcks()

        // A task that was cancelled before begins nothing.
        let late = Task {
            while !Task.isCancelled { await Task.yield() }
            _ = try await client.ownAddresses()
        }
        late.cancel()
        do {
            try await late.value
            XCTFail("it was not cancelled")
        } catch is CancellationError {}

        // Whoever stops waiting for an event misses none. Each is sent once a wait was given up.
        let (gaveUp, tell) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let sending = Task {
            var waits = gaveUp.makeAsyncIterator()
            for number in 0..<50 {
                await waits.next()
                try await bob.sendText(to: anna.address(), text: "event \(number)")
            }
        }
        let (texts, cancelled) = try await soon {
            var (texts, cancelled): ([String?], Int) = ([], 0)
            let stream = client.events()
            while texts.count < 50 {
                let wait = Task { await stream.ready() }
                let patience = Task {
                    try await Task.sleep(nanoseconds: 1_000_000)
                    wait.cancel()
                }
                let isReady = await wait.value
                patience.cancel()
                guard isReady else {
                    cancelled += 1
                    tell.yield()
                    continue
                }
                for case .message(let message) in stream.drain(max: 7) {
                    texts.append(message.text)
                }
            }
            return (texts, cancelled)
        }
        try await sending.value
        XCTAssertEqual(texts, (0..<50).map { "event \($0)" })
        XCTAssertGreaterThanOrEqual(cancelled, 50)
    }

    func testLimits() async throws {
        try await withManager(manager()) { manager in
            let account = try await linkedAccount(manager, server.phone(name: "anna"), "anna")
            let trust = try await account.trust()
            XCTAssertEqual(trust.level, 1)
            XCTAssertEqual(trust.dailyLimit, 50)
            XCTAssertEqual(trust.sentToday, 0)
            let strangers = try (0..<3).map { try server.phone(name: "stranger \($0)").address() }
            try await mayWrite(account, to: strangers[0])
            guard case .sent = try await account.send(.text("hello"), to: strangers[0]) else { return XCTFail() }
            let limited = try await failure { try await account.send(.text("hello"), to: strangers[1]) }
            guard case .Limited = limited else { return XCTFail("\(limited)") }
            XCTAssertEqual(limited.code, "limited")
            XCTAssertTrue(limited.isRetryable())
            XCTAssertGreaterThan(try XCTUnwrap(limited.retryAfter), 60)
            XCTAssertGreaterThan(try XCTUnwrap(limited.until), Date())
            guard case .later(let limit) = try await account.preview(to: strangers[2]) else { return XCTFail() }
            XCTAssertNotNil(limit.retryAt)
            let sentToday = try await account.trust().sentToday
            XCTAssertEqual(sentToday, 1)
        }
    }

    func testTenAccounts() async throws {
        let names = (0..<10).map { "account-\($0)" }
        let server = server!
        try await withManager(manager(database: true)) { manager in
            let accounts = try await withThrowingTaskGroup(of: Account.self) { group in
                for name in names {
                    group.addTask { try await linkedAccount(manager, server.phone(name: name), name) }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            XCTAssertEqual(manager.health(), ManagerHealth(connected: 10, total: 10))
            let sorted = accounts.sorted { $0.name() < $1.name() }
            for (account, name) in zip(sorted, names[1...] + names[..<1]) {
                let address = try server.phone(name: name).address()
                try await mayWrite(account, to: address)
                try await account.send(.text("for \(name)"), to: address)
            }
            let heard = try await soon {
                var heard: Set<String> = []
                for await case .event(let event) in try manager.events(after: 0, kinds: ["message.received"]) {
                    heard.insert(event.message?.text ?? "")
                    if heard.count == 10 { break }
                }
                return heard
            }
            XCTAssertEqual(heard, Set(names.map { "for \($0)" }))
            let results = try await manager.batchStop(accounts: names + ["nobody"])
            XCTAssertEqual(results.map(\.error), names.map { _ in nil } + ["not_found"])
            XCTAssertEqual(manager.health().connected, 0)
            // Again, and those of all tenants.
            _ = try await manager.create(spec: AccountSpec(tenant: "another"))
            for (tenant, count) in [("another", 1), (nil, 11)] {
                let stopped = try await manager.stopAll(tenant: tenant)
                XCTAssertEqual(stopped.map(\.error), [String?](repeating: nil, count: count))
            }
        }
    }

    func testManagerMedia() async throws {
        let (anna, bob) = (try server.phone(name: "anna"), try await link("bob"))
        let content = Data((0..<(1 << 20)).map { UInt8(truncatingIfNeeded: $0) })
        let (out, copy) = (folder.appendingPathComponent("out.bin"), folder.appendingPathComponent("in.bin"))
        try content.write(to: out)
        func document(_ file: Attachment) -> Message {
            let options = DocumentOptions(
                fileName: "out.bin", mimetype: "application/octet-stream", caption: "a file")
            return .document(file: file, options: options)
        }

        try await withManager(manager()) { manager in
            let account = try await linkedAccount(manager, anna, "anna")
            // In: what an event tells of a message is enough for its file, for an answer, and to say that it was read.
            let file = try await bob.upload(contentsOf: out, kind: .document)
            let sent = try await bob.send(document(file), to: anna.address())
            let (received, data) = try await soon {
                for await case .event(let event) in try manager.events(after: 0) {
                    if let message = event.message { return (message, event.data) }
                }
                throw StreamEnded()
            }
            XCTAssertEqual(received.id, sent.id)
            XCTAssertEqual(received.text, "a file")
            guard case .document(_, _, "out.bin", _, _, _) = received.content else {
                return XCTFail("\(String(describing: received.content))")
            }
            try await account.download(received, to: copy)
            XCTAssertEqual(try Data(contentsOf: copy), content)
            let bytes = try await account.download(received, limit: 1 << 21)
            XCTAssertEqual(bytes, content)
            let large = try await failure { try await account.download(received, limit: 1000) }
            guard case .Invalid = large else { return XCTFail("\(large)") }
            XCTAssertEqual(large.code, "too_large")
            var whole = Data()
            for try await piece in try account.download(received) {
                whole += piece
            }
            XCTAssertEqual(whole, content)
            try await account.markRead(messages: [received])
            let read = try await soon {
                for await case .receipt(_, let ids, _, .read, _) in bob.events() { return ids }
                throw StreamEnded()
            }
            XCTAssertEqual(read, [sent.id])

            // Out: by path, as bytes and in pieces; the answer is a file.
            let pieces = stride(from: 0, to: content.count, by: 100_000).map {
                content[$0..<min($0 + 100_000, content.count)]
            }
            let stream = AsyncStream { (feed: AsyncStream<Data>.Continuation) in
                pieces.forEach { feed.yield($0) }
                feed.finish()
            }
            let files = [
                try await account.upload(contentsOf: out, kind: .document),
                try await account.upload(content, kind: .document),
                try await account.upload(pieces: pieces, kind: .document),
                try await account.upload(pieces: stream, kind: .document),
            ]
            for file in files {
                let uploaded = try await bob.download(file, limit: 1 << 21)
                XCTAssertEqual(uploaded, content)
            }
            // The host kept the event as JSON, and reads it again.
            let replied = try await account.reply(document(files[0]), to: InboundMessage(eventData: data))
            guard case .sent = replied else { return XCTFail("\(replied)") }
            let answer = try await nextMessage(bob)
            XCTAssertEqual(answer.text, "a file")
            XCTAssertEqual(answer.quoted, sent.id)
            guard case .document(let answered, _, _, _, _, _) = answer.content else { return XCTFail("\(answer.content)") }
            let back = try await bob.download(answered, limit: 1 << 21)
            XCTAssertEqual(back, content)

            // What is kept is there without a connection; what is to be sent wants one.
            try await account.stop()
            let kept = try await account.download(received, limit: 1 << 21)
            XCTAssertEqual(kept, content)
            let idle = try await failure { try await account.upload(content, kind: .document) }
            guard case .Unavailable = idle else { return XCTFail("\(idle)") }
            XCTAssertEqual(idle.code, "not_ready")
            let slow = try await failure { try await account.upload(pieces: pieces, kind: .document) }
            guard case .Unavailable = slow else { return XCTFail("\(slow)") }
            let empty = try await failure { try InboundMessage(eventData: "{}") }
            guard case .Invalid = empty else { return XCTFail("\(empty)") }
        }
    }

    func testManagerRestart() async throws {
        let (anna, bob) = (try server.phone(name: "anna"), try server.phone(name: "bob"))
        let (id, unlinked, cursor) = try await withManager(manager(database: true)) { manager in
            let linked = try await linkedAccount(manager, anna, "anna").id()
            let unlinked = try await manager.create().id()
            return (linked, unlinked, manager.lastEvent())
        }
        try await withManager(manager(database: true)) { manager in
            let report = try await manager.restore()
            XCTAssertEqual(report.started, [id])
            XCTAssertEqual(report.skipped, [unlinked])
            XCTAssertTrue(report.failed.isEmpty)
            let account = try manager.account(account: "anna")
            try await soon { try await account.reached(status: .ready) }
            try await bob.sendText(to: anna.address(), text: "still there?")
            let told = try await soon {
                var last = cursor
                for await case .event(let event) in try manager.events(after: cursor) {
                    XCTAssertGreaterThan(event.seq, last)
                    last = event.seq
                    if let message = event.message { return message.text }
                }
                throw StreamEnded()
            }
            XCTAssertEqual(told, "still there?")
        }
    }

    func testAListenerThatThrows() async throws {
        struct NotThisOne: Error {}
        let (store, anna, bob) = (Store.memory(), try server.phone(name: "anna"), try server.phone(name: "bob"))
        let number = try await withClient(store, onTheServer) { client in
            try await pair(client, anna)
            let (heard, tell) = AsyncStream.makeStream(of: String.self)
            let subscription = try client.listen { event in
                guard case .message(let message) = event else { return }
                if message.text == "one" { throw NotThisOne() }
                tell.yield(message.text ?? "")
            }
            for text in ["one", "two"] {
                try await bob.sendText(to: anna.address(), text: text)
            }
            let text = try await soon { await heard.first { _ in true } }
            XCTAssertEqual(text, "two")
            let failed = try await soon { await subscription.failed() }
            XCTAssertTrue(failed)
            let failures = subscription.failures()
            XCTAssertEqual(failures.count, 1)
            XCTAssertTrue(try XCTUnwrap(failures.first).reason.contains("NotThisOne"))
            try await client.send(.text("still here"), to: bob.address())
            // What comes after it waits for who takes it. Until it is through with its last event, that is not confirmed.
            subscription.stop()
            let failedAgain = try await soon { await subscription.failed() }
            XCTAssertFalse(failedAgain)
            try await bob.sendText(to: anna.address(), text: "three")
            let message = try await nextMessage(client)
            XCTAssertEqual(message.text, "three")
            client.events().confirm(number: message.number)
            return try XCTUnwrap(failures.first?.number)
        }
        // What it threw over comes again after a restart, and nothing else.
        try await withClient(store, onTheServer) { client in
            let again = try await nextMessage(client)
            XCTAssertEqual(again.text, "one")
            XCTAssertEqual(again.number, number)
            try await bob.sendText(to: anna.address(), text: "four")
            let next = try await nextMessage(client)
            XCTAssertEqual(next.text, "four")
        }
    }

    func testLogsArrive() async throws {
        let (parts, tell) = AsyncStream.makeStream(of: String.self, bufferingPolicy: .bufferingOldest(1))
        XCTAssertTrue(
            forwardLogs(level: .debug) { record in
                if record.target.hasPrefix("wa_core"), record.account == "front desk" { tell.yield(record.text) }
            })
        XCTAssertFalse(forwardLogs(level: .debug))
        let server = server!
        try await withClient(.memory(), ClientOptions(alias: "front desk", testServer: server)) { client in
            try await pair(client, server.phone(name: "anna"))
            server.disconnectAll()
            try await soon {
                for await case .connected in client.events() { return }
                throw StreamEnded()
            }
        }
        let record = try await soon { await parts.first { _ in true } }
        XCTAssertFalse(try XCTUnwrap(record).isEmpty)
    }
}
