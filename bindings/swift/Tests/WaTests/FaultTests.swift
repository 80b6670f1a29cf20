import Foundation
import Wa
import XCTest

/// The faults that a bot can be tested with, and what is told of them; and what the host ends itself.
final class FaultTests: TestServerCase {
    func testWhatTheServiceRefusesIsTold() async throws {
        let (client, bob) = (try await link("anna"), try server.phone(name: "bob"))
        server.refuseNext(code: 405)
        let refused = try await failure { try await client.send(.text("refused"), to: bob.address()) }
        guard case .Refused = refused else { return XCTFail("\(refused)") }
        XCTAssertEqual(refused.code, "refused_405")
        server.refuseNext(code: 405)
        server.clearFaults()
        try await client.send(.text("taken"), to: bob.address())
        let received = try await bob.nextMessage()
        XCTAssertEqual(received.text, "taken")

        try await withClient(.memory(), onTheServer) { unlinked in
            try await soon {
                for await case .pairingQr in unlinked.events() { return }
                throw StreamEnded()
            }
            server.refusePairingCode(code: 400)
            let noCode = try await failure { try await unlinked.pairWithCode(phoneNumber: bob.number()) }
            guard case .Refused = noCode else { return XCTFail("\(noCode)") }
            XCTAssertEqual(noCode.code, "pairing_refused")
        }
    }

    func testWhatIsLostOnTheWayComesAgain() async throws {
        let (client, anna, bob) = (try await link("anna"), try server.phone(name: "anna"), try server.phone(name: "bob"))
        try await client.send(.text("before"), to: bob.address())
        _ = try await bob.nextMessage()
        // Bob's receipt would tell that it arrived.
        bob.goOffline()
        server.dropAcks(count: 1)
        let id = try await client.enqueue(chat: bob.address(), message: .text("no ack"))
        try await eventually {
            if case .written = try await client.sentState(id: id) { true } else { false }
        }
        // The service answers in order: had it acknowledged that, it would be known here.
        _ = try await client.checkNumbers(numbers: [bob.number()])
        let state = try await client.sentState(id: id)
        guard case .written = state else { return XCTFail("\(String(describing: state))") }
        server.disconnectAll()
        try await eventually {
            if case .acked = try await client.sentState(id: id) { true } else { false }
        }
        try bob.goOnline()
        let received = try await bob.nextMessage()
        XCTAssertEqual(received.id, id)

        // One for our phone, and one for us.
        server.garbleNext(count: 2)
        let garbled = try await bob.sendText(to: anna.address(), text: "garbled")
        let told = try await soon {
            for await case .undecryptable(let key, _, _) in client.events() { return key.id }
            throw StreamEnded()
        }
        XCTAssertEqual(told, garbled)
        let again = try await nextMessage(client)
        XCTAssertEqual(again.id, garbled)
        XCTAssertEqual(again.text, "garbled")
    }

    func testAConnectionThatIsRefusedIsTriedAgain() async throws {
        let client = try await link("anna")
        let device = try XCTUnwrap(try server.phone(name: "anna").linkedDevices().first)
        func told(until isLast: @escaping @Sendable (Event) -> Bool) async throws -> [CloseReason] {
            try await soon {
                var reasons: [CloseReason] = []
                for await event in client.events() {
                    if case .disconnected(let reason, _) = event { reasons.append(reason) }
                    if isLast(event) { return reasons }
                }
                throw StreamEnded()
            }
        }
        let isConnected: @Sendable (Event) -> Bool = { if case .connected = $0 { true } else { false } }
        server.refuseConnections(count: 1)
        XCTAssertTrue(try server.disconnect(device: device))
        var reasons = try await told(until: isConnected)
        XCTAssertEqual(reasons.count, 2)
        try await client.disconnect()
        server.refuseLogins(code: 503, count: 1)
        try await client.reconnect()
        reasons = try await told(until: isConnected)
        XCTAssertEqual(reasons.last?.code, "refused")
        XCTAssertEqual(reasons.last?.nextStep, .wait)

        // For good, until somebody wants it back.
        try await client.disconnect()
        server.refuseLogins(code: 501, count: 1)
        try await client.reconnect()
        _ = try await told {
            if case .closed(let reason) = $0 { reason.code == "refused" } else { false }
        }
        let reason = try XCTUnwrap(client.closeReason())
        XCTAssertEqual(reason.code, "refused")
        XCTAssertEqual(reason.nextStep, .reconnect)
        XCTAssertEqual(client.status(), .closed)
        try await client.reconnect()
        _ = try await told(until: isConnected)

        // For an hour, whoever asks.
        try await client.disconnect()
        server.ban(code: 101, duration: 3600)
        try await client.reconnect()
        reasons = try await told {
            if case .disconnected(let reason, _) = $0 { reason.code == "banned" } else { false }
        }
        let banned = try XCTUnwrap(reasons.last)
        XCTAssertEqual(banned.nextStep, .waitUntil)
        XCTAssertGreaterThan(try XCTUnwrap(banned.until).timeIntervalSinceNow, 3000)
        let early = try await failure { try await client.reconnect() }
        guard case .Restricted = early else { return XCTFail("\(early)") }
        XCTAssertEqual(early.code, "banned")
        XCTAssertEqual(early.until, banned.until)
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
            for event in stream.drain(max: 10) {
                XCTAssertEqual(stream.numberOf(event: event), event.number)
            }
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
}
