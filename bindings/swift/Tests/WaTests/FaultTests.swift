import Foundation
import Wa
import XCTest

/// The faults that a bot can be tested with, and what is told of them; and what the host ends itself.
final class FaultTests: TestServerCase {
    /// Each is told as what it is, and what can be mended is.
    func testFaults() async throws {
        let client = try await link("anna")
        let (server, anna, bob) = (server!, try server.phone(name: "anna"), try server.phone(name: "bob"))
        let device = anna.linkedDevices()[0]

        try server.refuseNext(device: device, code: 400)
        let refused = try await failure { try await client.send(.text("refused"), to: bob.address()) }
        guard case .Refused = refused else { return XCTFail("\(refused)") }
        XCTAssertEqual(refused.code, "refused_400")
        try await client.send(.text("taken"), to: bob.address())
        let taken = try await bob.nextMessage()
        XCTAssertEqual(taken.text, "taken")

        try server.garbleNext(device: device, count: 1)
        let garbled = try await bob.sendText(to: anna.address(), text: "garbled")
        let told = try await soon {
            for await case .undecryptable(let key, _, _, _) in client.events() { return key.id }
            throw StreamEnded()
        }
        XCTAssertEqual(told, garbled)
        let again = try await nextMessage(client)
        XCTAssertEqual(again.id, garbled)
        XCTAssertEqual(again.text, "garbled")

        try await messagesComeTwiceOrLate(client, anna, bob)

        // Sent once, and acknowledged when it is connected anew.
        try server.dropAcks(device: device, count: 1)
        let calls = runtimeUsage().calls
        let sending = Task { try await client.send(.text("no ack"), to: bob.address()).id }
        let arrived = try await bob.nextMessage()
        XCTAssertEqual(arrived.text, "no ack")
        XCTAssertEqual(runtimeUsage().calls, calls + 1)
        XCTAssertTrue(try server.disconnect(device: device))
        let sent = try await sending.value
        XCTAssertEqual(sent, arrived.id)
        _ = try await closings(client, until: isConnected)
        try await client.send(.text("after it"), to: bob.address())
        let after = try await bob.nextMessage()
        XCTAssertEqual(after.text, "after it")

        try server.refuseLogins(device: device, code: 503, count: 1)
        XCTAssertTrue(try server.disconnect(device: device))
        let login = try await closings(client, until: isConnected)
        XCTAssertEqual(login.last?.code, "refused")
        XCTAssertEqual(login.last?.nextStep, .wait)

        // The phone still has the file.
        let other = try await link("bob")
        let content = Data(repeating: 1, count: 3000)
        try await other.send(.image(file: other.upload(content, kind: .image)), to: anna.address())
        let received = try await nextMessage(client)
        try await eventually { try await anna.nextMessage().id == received.id }
        guard case .image(let file, _, _, _, _, _, _) = received.content else { return XCTFail("\(received.content)") }
        XCTAssertTrue(server.loseFile(file: file))
        let gone = try await failure { try await client.download(file, limit: 5000) }
        guard case .Media = gone else { return XCTFail("\(gone)") }
        XCTAssertEqual(gone.code, "gone")
        let found = try await client.requestReupload(message: received.key, file: file, within: 20)
        let downloaded = try await client.download(found, limit: 5000)
        XCTAssertEqual(downloaded, content)

        // For an hour, whoever asks.
        try server.ban(device: device, code: 101, duration: 3600)
        XCTAssertTrue(try server.disconnect(device: device))
        let banned = try await closings(client) {
            if case .disconnected(let reason, _) = $0 { reason.code == "banned" } else { false }
        }.last
        XCTAssertEqual(banned?.nextStep, .waitUntil)
        XCTAssertGreaterThan(try XCTUnwrap(banned?.until).timeIntervalSinceNow, 3000)
        let early = try await failure { try await client.reconnect() }
        guard case .Restricted = early else { return XCTFail("\(early)") }
        XCTAssertEqual(early.code, "banned")
        XCTAssertEqual(early.until, banned?.until)
        XCTAssertNotNil(early.retryAfter)
    }

    private func messagesComeTwiceOrLate(_ client: Client, _ anna: TestPhone, _ bob: TestPhone) async throws {
        let device = anna.linkedDevices()[0]
        func come(_ texts: [String], as expected: [String], line: UInt = #line) async throws {
            for text in texts { try await bob.sendText(to: anna.address(), text: text) }
            for text in expected {
                let received = try await nextMessage(client)
                XCTAssertEqual(received.text, text, line: line)
            }
        }
        try server.duplicateNext(device: device, count: 1)
        try await come(["twice", "once"], as: ["twice", "once"])
        try server.reorderNext(device: device, count: 1)
        try await come(["one", "two"], as: ["two", "one"])
    }

    func testFaultsAreEnded() async throws {
        let (client, bob) = (try await link("anna"), try server.phone(name: "bob"))
        let device = try server.phone(name: "anna").linkedDevices()[0]
        try server.refuseNext(device: device, code: 400)
        server.refuseMedia(status: 503, count: 1000)
        server.clearFaults()
        try await client.send(.text("taken"), to: bob.address())
        let received = try await bob.nextMessage()
        XCTAssertEqual(received.text, "taken")
        _ = try await client.upload(Data(count: 3000), kind: .image)

        let nobody = try await failure { try server.refuseNext(device: "19995550000@s.whatsapp.net", code: 400) }
        XCTAssertEqual(nobody.code, "no_account")
        let phone = try await failure { try server.refuseLogins(device: bob.address(), code: 503, count: 1) }
        XCTAssertEqual(phone.code, "no_client")
    }

    func testAPairingCodeIsRefused() async throws {
        let number = try server.phone(name: "anna").number()
        try await withClient(.memory(), onTheServer) { client in
            try await soon {
                for await case .pairingQr in client.events() { return }
                throw StreamEnded()
            }
            server.refusePairingCode(code: 400)
            let refused = try await failure { try await client.pairWithCode(phoneNumber: number) }
            guard case .Refused = refused else { return XCTFail("\(refused)") }
            XCTAssertEqual(refused.code, "pairing_refused")
            let code = try await client.pairWithCode(phoneNumber: number)
            XCTAssertEqual(code.filter { $0.isLetter || $0.isNumber }.count, 8)
        }
    }

    func testMediaHostsFail() async throws {
        let client = try await link("anna")
        let content = Data(repeating: 1, count: 3000)
        let file = try await client.upload(content, kind: .image)
        server.refuseMedia(status: 503, count: 1000)
        let refused = try await failure { try await client.upload(content, kind: .image) }
        guard case .Unavailable = refused else { return XCTFail("\(refused)") }
        XCTAssertEqual(refused.code, "media_hosts")
        server.clearFaults()
        server.tamperDownloads(count: 1000)
        let tampered = try await failure { try await client.download(file, limit: 5000) }
        guard case .Media = tampered else { return XCTFail("\(tampered)") }
        XCTAssertEqual(tampered.code, "tampered")
        server.clearFaults()
        let downloaded = try await client.download(file, limit: 5000)
        XCTAssertEqual(downloaded, content)
    }

    func testAConnectionThatIsRefusedIsTriedAgain() async throws {
        let client = try await link("anna")
        let device = try server.phone(name: "anna").linkedDevices()[0]
        server.refuseConnections(count: 1)
        XCTAssertTrue(try server.disconnect(device: device))
        let reasons = try await closings(client, until: isConnected)
        XCTAssertEqual(reasons.count, 2)

        // For good, until somebody wants it back.
        try await client.disconnect()
        try server.refuseLogins(device: device, code: 501, count: 1)
        try await client.reconnect()
        _ = try await closings(client) {
            if case .closed(let reason) = $0 { reason.code == "refused" } else { false }
        }
        let reason = try XCTUnwrap(client.closeReason())
        XCTAssertEqual(reason.code, "refused")
        XCTAssertEqual(reason.nextStep, .reconnect)
        XCTAssertEqual(client.status(), .closed)
        try await client.reconnect()
        _ = try await closings(client, until: isConnected)
    }

    func testADeviceThatThePhoneRemovesIsLinkedAnew() async throws {
        let (client, anna) = (try await link("anna"), try server.phone(name: "anna"))
        let device = anna.linkedDevices()[0]
        XCTAssertTrue(try anna.removeDevice(device: device))
        XCTAssertFalse(try anna.removeDevice(device: device))
        let reason = try await soon {
            for await case .loggedOut(let reason) in client.events() { return reason }
            throw StreamEnded()
        }
        XCTAssertEqual(reason.code, "logged_out")
        XCTAssertEqual(reason.nextStep, .pairAgain)
        XCTAssertEqual(client.status(), .loggedOut)
        let unlinked = try await failure { try await client.send(.text("x"), to: anna.address()) }
        guard case .NotLinked = unlinked else { return XCTFail("\(unlinked)") }
        try await client.forget()
        try await client.reconnect()
        let again = try await pair(client, anna)
        XCTAssertNotEqual(again, device)
        XCTAssertEqual(anna.linkedDevices(), [again])
    }

    func testWhatIsStoppedEnds() async throws {
        try await withClient(.memory(), onTheServer) { client in
            let stream = client.events()
            let isReady = await stream.ready()
            XCTAssertTrue(isReady)
            XCTAssertFalse(stream.drain(max: 10).isEmpty)
            stream.stop()
            let isReadyAgain = await stream.ready()
            XCTAssertFalse(isReadyAgain)
        }
        try await withManager(manager()) { manager in
            let stream = try manager.events(after: 0)
            _ = try await manager.create()
            let isReady = await stream.ready()
            XCTAssertTrue(isReady)
            stream.stop()
            let isReadyAgain = await stream.ready()
            XCTAssertFalse(isReadyAgain)
        }
        let client = try await link("anna")
        let writer = try client.upload(kind: .document)
        writer.cancel()
        let ended = try await failure { try await writer.finish() }
        guard case .Closed = ended else { return XCTFail("\(ended)") }
        XCTAssertEqual(ended.code, "ended")
        let file = try await client.upload(Data(count: 1 << 20), kind: .document)
        let reader = try client.download(file)
        reader.cancel()
        let cancelled = try await failure { try await reader.ready() }
        guard case .Cancelled = cancelled else { return XCTFail("\(cancelled)") }
        XCTAssertEqual(cancelled.code, "cancelled")
    }

    private let isConnected: @Sendable (Event) -> Bool = { if case .connected = $0 { true } else { false } }

    /// Why connections ended, until this event.
    private func closings(_ client: Client, until isLast: @escaping @Sendable (Event) -> Bool) async throws -> [CloseReason] {
        try await soon {
            var reasons: [CloseReason] = []
            for await event in client.events() {
                if case .disconnected(let reason, _) = event { reasons.append(reason) }
                if isLast(event) { return reasons }
            }
            throw StreamEnded()
        }
    }
}
