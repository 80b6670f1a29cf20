import Foundation
import Wa
import XCTest

/// Accounts of a manager from their making to their end.
final class AccountTests: TestServerCase {
    func testAccountsAreMadeListedAndDeleted() async throws {
        let anna = try server.phone(name: "anna")
        try await withManager(manager()) { manager in
            let ticket = try await manager.createAndPair(request: PairRequest(), spec: AccountSpec(tenant: "shop", name: "anna"))
            XCTAssertFalse(ticket.id().isEmpty)
            XCTAssertGreaterThan(ticket.expiresAt(), Date())
            try await soon {
                for await update in ticket {
                    if case .qr(let text, _) = update { try await anna.scan(qr: text) }
                    if case .linked = update { return }
                }
                throw StreamEnded()
            }
            let account = try manager.accountOf(tenant: "shop", account: "anna")
            try await soon { try await account.reached(status: .ready) }
            XCTAssertEqual(try manager.account(account: account.id()).name(), "anna")
            // A name alone is one of the default tenant's.
            let elsewhere = try await failure { try manager.account(account: "anna") }
            guard case .NotFound = elsewhere else { return XCTFail("\(elsewhere)") }
            _ = try await manager.create(spec: AccountSpec(name: "idle"))
            let all = try await manager.accounts()
            XCTAssertEqual(Set(all.map(\.name)), ["anna", "idle"])
            let ofShop = try await manager.accounts(tenant: "shop")
            XCTAssertEqual(ofShop.map(\.name), ["anna"])
            let idle = try await manager.accounts(status: "idle")
            XCTAssertEqual(idle.map(\.name), ["idle"])
            let wrong = try await failure { try await manager.accounts(status: "happy") }
            XCTAssertEqual(wrong.code, "invalid_status")

            let events = try await manager.eventsSince(after: 0, limit: 1000)
            XCTAssertEqual(events.filter { $0.kind == "account.created" }.count, 2)
            XCTAssertEqual(events.map(\.seq), events.map(\.seq).sorted())
            let second = try await manager.eventsSince(after: events[0].seq, limit: 1)
            XCTAssertEqual(second.map(\.id), [events[1].id])

            try await manager.delete(account: account.id())
            XCTAssertEqual(anna.linkedDevices(), [])
            let gone = try await failure { try manager.accountOf(tenant: "shop", account: "anna") }
            guard case .NotFound = gone else { return XCTFail("\(gone)") }
            let deleted = try await manager.batchDelete(accounts: ["idle", "nobody"])
            XCTAssertEqual(deleted.map(\.error), [nil, "not_found"])
            let left = try await manager.accounts()
            XCTAssertTrue(left.isEmpty)
        }
    }

    func testATicketIsCalledOff() async throws {
        try await withManager(manager()) { manager in
            let account = try await manager.create()
            let ticket = try await account.pair(request: PairRequest(phoneNumber: server.phone(name: "anna").number()))
            try await soon {
                for await case .code in ticket { return }
                throw StreamEnded()
            }
            // No other code as long as this one is good.
            let early = try await failure { try await ticket.refresh() }
            guard case .Conflict = early else { return XCTFail("\(early)") }
            XCTAssertEqual(early.code, "code_outstanding")
            XCTAssertNotNil(early.retryAfter)
            try await ticket.cancel()
            let why = try await soon {
                for await case .failed(let code, _, _, _) in ticket { return code }
                throw StreamEnded()
            }
            XCTAssertEqual(why, "cancelled")
            let isReady = await ticket.ready()
            XCTAssertFalse(isReady)
            let late = try await failure { try await ticket.refresh() }
            XCTAssertEqual(late.code, "not_pairing")
            try await soon { try await account.reached(status: .idle) }
        }
    }

    func testAnAttemptIsCalledOffWithoutItsTicket() async throws {
        try await withManager(manager()) { manager in
            let account = try await manager.create()
            // It goes on when nobody holds its ticket any more.
            _ = try await account.pair(request: PairRequest())
            let early = try await failure { try await account.pair(request: PairRequest()) }
            guard case .Conflict = early else { return XCTFail("\(early)") }
            XCTAssertEqual(early.code, "already_pairing")
            try await account.cancelPairing()
            let ticket = try await account.pair(request: PairRequest())
            try await soon {
                for await case .qr in ticket { return }
                throw StreamEnded()
            }
            try await account.refreshPairing()
            try await account.cancelPairing()
            let late = try await failure { try await account.refreshPairing() }
            XCTAssertEqual(late.code, "not_pairing")
        }
    }

    func testAnAccountIsLinkedByPasskey() async throws {
        let anna = try server.phone(name: "anna")
        try await withManager(manager()) { manager in
            let account = try await manager.create()
            let ticket = try await account.pair(request: PairRequest())
            let device = try await soon {
                var (asked, device): (TestPasskeyLink?, String) = (nil, "")
                for await update in ticket {
                    switch update {
                    case .qr(let text, _) where asked == nil:
                        asked = try anna.askPasskey(qr: text)
                    case .passkeyChallenge(let options):
                        let signed = try anna.signWithPasskey(options: options)
                        try await ticket.respondPasskey(credentialId: signed.credentialId, assertion: signed.assertion)
                    case .passkeyConfirm(let code, isAsked: true):
                        let onPhone = try await asked?.code()
                        XCTAssertEqual(onPhone, code)
                        try await ticket.confirmPasskey(isSame: true)
                        device = try await asked?.confirm() ?? ""
                    case .linked:
                        return device
                    default:
                        break
                    }
                }
                throw StreamEnded()
            }
            try await soon { try await account.reached(status: .ready) }
            XCTAssertEqual(anna.linkedDevices(), [device])
        }
    }

    func testAnAccountIsStartedAnewAndUnlinked() async throws {
        let (anna, bob) = (try server.phone(name: "anna"), try server.phone(name: "bob"))
        try await withManager(manager()) { manager in
            let account = try await linkedAccount(manager, anna, "anna")
            let before = manager.lastEvent()
            let restarted = try await account.restart()
            XCTAssertEqual(restarted.before, .ready)
            XCTAssertTrue(restarted.changed)
            try await soon { try await account.reached(status: .ready) }
            let told = try await manager.eventsSince(after: before, limit: 100)
            XCTAssertTrue(told.contains { $0.kind == "account.status" })
            let found = try await account.checkNumbers(numbers: [bob.number(), "19995550000"])
            XCTAssertEqual(found.map(\.isRegistered), [true, false])

            let unlinked = try await account.logout()
            XCTAssertTrue(unlinked.changed)
            XCTAssertEqual(anna.linkedDevices(), [])
            let snapshot = account.snapshot()
            XCTAssertFalse(snapshot.isLinked)
            XCTAssertEqual(snapshot.status, .idle)
            let again = try await account.logout(force: true)
            XCTAssertFalse(again.changed)
            let late = try await failure { try await account.start() }
            guard case .NotLinked = late else { return XCTFail("\(late)") }
        }
    }

    func testUsageIsForgivenOnceADay() async throws {
        try await withManager(manager()) { manager in
            let account = try await linkedAccount(manager, server.phone(name: "anna"), "anna")
            let stranger = try server.phone(name: "stranger").address()
            try await mayWrite(account, to: stranger)
            try await account.send(.text("hello"), to: stranger)
            try await account.resetUsage(actor: "a person", reason: "a test")
            let told = try await manager.eventsSince(after: 0, limit: 1000).filter { $0.data.contains("reset_usage") }
            XCTAssertEqual(told.map { $0.data.contains(#""forgiven":1"#) }, [true])
            let again = try await failure { try await account.resetUsage(actor: "a person", reason: "a test") }
            guard case .Limited = again else { return XCTFail("\(again)") }
            XCTAssertEqual(again.code, "already_reset")
            XCTAssertNotNil(again.until)
        }
    }

    func testAPhoneIsAskedForThePast() async throws {
        let (anna, bob) = (try server.phone(name: "anna"), try server.phone(name: "bob"))
        let carla = try server.phone(name: "carla")
        try await withManager(manager()) { manager in
            let account = try await linkedAccount(manager, anna, "anna")
            let cursor = manager.lastEvent()
            try await bob.sendText(to: anna.address(), text: "hello")
            try await soon {
                for await case .event(let event) in try manager.events(after: cursor) where event.message != nil { return }
                throw StreamEnded()
            }
            let job = try await account.syncHistory(limit: 7, chats: [bob.address()])
            let last = try await soon {
                for await case .event(let event) in try manager.events(after: cursor, kinds: ["history.progress"])
                where !event.data.contains(#""state":"running""#) {
                    return event.data
                }
                throw StreamEnded()
            }
            XCTAssertTrue(last.contains(job) && last.contains(#""state":"done""#), last)
            let unknown = try await failure { try await account.syncHistory(chats: [carla.address()]) }
            guard case .NotFound = unknown else { return XCTFail("\(unknown)") }
            let many = try await failure { try await account.syncHistory(limit: 501) }
            XCTAssertEqual(many.code, "invalid_limit")
        }
    }

    func testVotesForAnAccountAreCounted() async throws {
        let (anna, other, bob) = (try server.phone(name: "anna"), try await link("bob"), try server.phone(name: "bob").address())
        try await withManager(manager()) { manager in
            let account = try await linkedAccount(manager, anna, "anna")
            try await mayWrite(account, to: bob)
            let poll = Message.poll(question: "What?", options: ["tea", "coffee"])
            try await account.send(poll, to: bob)
            let asked = try await nextMessage(other)
            try await other.send(.pollVote(poll: asked.key, options: ["coffee"]), to: anna.address())
            let voted = try await soon {
                for await case .event(let event) in try manager.events(after: 0) {
                    if let message = event.message { return message }
                }
                throw StreamEnded()
            }
            let tally = try PollTally.of(poll: poll, key: MessageKey(chat: bob, id: asked.id, fromMe: true))
            XCTAssertTrue(try tally.add(voted))
            XCTAssertEqual(tally.options().map(\.voters.count), [0, 1])
        }
    }
}
