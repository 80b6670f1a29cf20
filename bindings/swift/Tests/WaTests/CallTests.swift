import Foundation
import Wa
import XCTest

/// Who is there, who is in a group, what waits to be sent, and how an account of a manager is set up.
final class CallTests: TestServerCase {
    func testPresenceAndTyping() async throws {
        let (client, other) = (try await link("anna"), try await link("bob"))
        let (anna, bob) = (try server.phone(name: "anna"), try server.phone(name: "bob"))
        func presence() async throws -> (user: String, isAvailable: Bool, lastSeen: Date?) {
            try await soon {
                for await case .presence(_, let user, let isAvailable, let lastSeen) in client.events() {
                    return (user, isAvailable, lastSeen)
                }
                throw StreamEnded()
            }
        }
        func typing(_ client: Client, _ user: String, _ state: TypingState, line: UInt = #line) async throws {
            let heard = try await soon {
                for await case .typing(_, let user, let state) in client.events() { return (user: user, state: state) }
                throw StreamEnded()
            }
            XCTAssertEqual(heard.user, user, line: line)
            XCTAssertEqual(heard.state, state, line: line)
        }
        try await client.watchPresence(user: bob.lid())
        let atFirst = try await presence()
        XCTAssertEqual(atFirst.user, bob.lid())
        XCTAssertFalse(atFirst.isAvailable)
        try await other.setAvailable(isAvailable: true)
        let there = try await presence()
        XCTAssertTrue(there.isAvailable)
        try await other.setAvailable(isAvailable: false)
        let gone = try await presence()
        XCTAssertFalse(gone.isAvailable)
        XCTAssertNotNil(gone.lastSeen)

        try bob.typing(to: anna.lid(), isTyping: true)
        try await typing(client, bob.lid(), .composing)
        try bob.typing(to: anna.lid(), isTyping: false)
        try await typing(client, bob.lid(), .paused)
        for state in [TypingState.composing, .recording, .paused] {
            try await client.setTyping(chat: bob.lid(), state: state)
            try await typing(other, anna.lid(), state)
        }
        let unknown = try await failure { try await client.setTyping(chat: bob.lid(), state: .unknown) }
        XCTAssertEqual(unknown.code, "invalid_typing")
        try await withManager(manager()) { manager in
            let carla = try server.phone(name: "carla")
            let account = try await linkedAccount(manager, carla, "carla")
            try await account.setTyping(chat: bob.lid(), state: .recording)
            try await typing(other, carla.lid(), .recording)
        }

        // Nobody watches any more: the message comes, and nothing before it. The answer to a question says that the service knows.
        try await client.unwatchPresence(user: bob.lid())
        _ = try await client.checkNumbers(numbers: [bob.number()])
        try await other.setAvailable(isAvailable: true)
        try await other.send(.text("I am here"), to: anna.address())
        let next = try await soon { () -> String? in
            for await event in client.events() {
                switch event {
                case .presence: return "presence"
                case .message(let message): return message.text
                default: break
                }
            }
            throw StreamEnded()
        }
        XCTAssertEqual(next, "I am here")
    }

    func testQueuedMessagesAreTakenBack() async throws {
        let (client, bob) = (try await link("anna"), try server.phone(name: "bob"))
        try await client.disconnect()
        let options = SendOptions(id: try client.newMessageId())
        let first = try await client.enqueue(chat: bob.address(), message: .text("one"), options: options)
        XCTAssertEqual(first, options.id)
        let second = try await client.enqueue(chat: bob.address(), message: .text("two"))
        let third = try await client.enqueue(chat: bob.address(), message: .text("three"))
        for id in [first, second, third] {
            let state = try await client.sentState(id: id)
            guard case .queued = state else { return XCTFail("\(String(describing: state))") }
        }
        let cancellation = try await client.cancelSend(id: second)
        XCTAssertEqual(cancellation, .cancelled)
        let state = try await client.sentState(id: second)
        guard case .failed("cancelled", _) = state else { return XCTFail("\(String(describing: state))") }
        let unknown = try await client.cancelSend(id: client.newMessageId())
        XCTAssertEqual(unknown, .notFound)
        try await client.reconnect()
        for (id, text) in [(first, "one"), (third, "three")] {
            let received = try await bob.nextMessage()
            XCTAssertEqual(received.id, id)
            XCTAssertEqual(received.text, text)
        }
        for id in [first, third] {
            let late = try await client.cancelSend(id: id)
            XCTAssertEqual(late, .tooLate)
        }
        try await client.send(.text("four"), to: bob.address())
        let next = try await bob.nextMessage()
        XCTAssertEqual(next.text, "four")
    }

    func testMembersOfAGroup() async throws {
        let (client, other) = (try await link("anna"), try await link("dora"))
        let (bob, carla, dora) = (
            try server.phone(name: "bob"), try server.phone(name: "carla"), try server.phone(name: "dora")
        )
        let group = try await client.createGroup(subject: "friends", members: [bob.address()]).group.address
        /// What is known of the group follows what was changed.
        func eventuallyRoles(_ wanted: [String: MemberRole]) async throws {
            try await eventually {
                let members = try await client.group(group: group).members
                return Dictionary(uniqueKeysWithValues: members.map { ($0.address, $0.role) }) == wanted
            }
        }
        let anna = try server.phone(name: "anna").lid()
        try await eventuallyRoles([anna: .owner, bob.lid(): .member])

        let added = try await client.addMembers(group: group, users: [carla.address()])
        XCTAssertEqual(added.map(\.refused), [nil])
        let again = try await client.addMembers(group: group, users: [carla.address()])
        XCTAssertEqual(again.map { $0.refused != nil }, [true])
        try await eventuallyRoles([anna: .owner, bob.lid(): .member, carla.lid(): .member])
        let promoted = try await client.promote(group: group, users: [bob.address()])
        XCTAssertEqual(promoted.map(\.refused), [nil])
        try await eventuallyRoles([anna: .owner, bob.lid(): .admin, carla.lid(): .member])
        let demoted = try await client.demote(group: group, users: [bob.address()])
        XCTAssertEqual(demoted.map(\.refused), [nil])
        let removed = try await client.removeMembers(group: group, users: [carla.address()])
        XCTAssertEqual(removed.map(\.refused), [nil])
        try await eventuallyRoles([anna: .owner, bob.lid(): .member])

        try await client.setGroupDescription(group: group, text: "for friends")
        try await client.setGroup(group: group, setting: .announcement(isOn: true))
        try await client.setGroup(group: group, setting: .disappearing(after: 86400))
        try await eventually {
            let group = try await client.group(group: group)
            return group.description == "for friends" && group.isAnnouncement && group.disappearingAfter == 86400
        }

        // By the link, and an admin lets in.
        try await client.setGroup(group: group, setting: .joinApproval(isOn: true))
        let link = try await client.groupInviteLink(group: group)
        let found = try await other.groupOfLink(link: link)
        XCTAssertEqual(found.subject, "friends")
        let joining = try await other.joinGroup(link: link)
        XCTAssertEqual(joining, JoinOutcome(group: group, isWaiting: true))
        let requests = try await client.joinRequests(group: group)
        XCTAssertEqual(requests.map(\.user), [dora.lid()])
        let answered = try await client.answerJoinRequests(group: group, users: requests.map(\.user), letIn: true)
        XCTAssertEqual(answered.map(\.refused), [nil])
        try await eventuallyRoles([anna: .owner, bob.lid(): .member, dora.lid(): .member])

        // Who lets nobody add them is sent an invitation.
        try dora.refuseAdding()
        let crew = try await client.createGroup(subject: "crew", members: [bob.address()]).group.address
        let refused = try await client.addMembers(group: crew, users: [dora.address()])
        let invitation = try XCTUnwrap(refused.first?.invitation)
        let invite = try Message.groupInvite(
            group: crew, code: invitation.code, name: "crew", expires: invitation.expires)
        try await client.send(invite, to: dora.address())
        let received = try await nextMessage(other)
        guard case .groupInvite(crew, invitation.code, "crew", let expires?, _) = received.content else {
            return XCTFail("\(received.content)")
        }
        let joined = try await other.acceptGroupInvite(
            group: crew, code: invitation.code, expires: expires, admin: received.sender)
        XCTAssertEqual(joined, JoinOutcome(group: crew, isWaiting: false))
    }

    func testSettingsOfAnAccount() async throws {
        let anna = try server.phone(name: "anna")
        let changed = try await withManager(manager(database: true)) { manager in
            let account = try await linkedAccount(manager, anna, "anna")
            let before = account.snapshot().settings
            _ = try await account.update(settings: SettingsChange(syncLimit: 7))
            let version = try await account.update(displayName: "Anna", metadata: ["a": "b"]).version
            let settings = SettingsChange(storage: .database, strictDailyLimit: true, timeZone: "Asia/Jakarta")
            let changed = try await account.update(settings: settings, version: version)
            // What was not named stays.
            let expected = AccountSettings(
                autoStart: before.autoStart, syncLimit: 7, storage: .database, strictDailyLimit: true, timeZone: "Asia/Jakarta",
                holdsForNewIdentities: before.holdsForNewIdentities, ignoresStatus: before.ignoresStatus)
            XCTAssertEqual(changed.settings, expected)
            XCTAssertEqual(changed.displayName, "Anna")
            XCTAssertEqual(changed.metadata, ["a": "b"])
            let late = try await failure { try await account.update(displayName: "A.", version: version) }
            guard case .Conflict = late else { throw late }
            let wrong = try await failure { try await account.update(settings: SettingsChange(syncLimit: 501)) }
            XCTAssertEqual(wrong.code, "invalid_settings")

            try await trustAndOutbox(account)

            _ = try await manager.create(spec: AccountSpec(name: "unlinked"))
            let stopped = try await manager.batchStop(accounts: ["anna", "nobody"])
            XCTAssertEqual(stopped.map(\.error), [nil, "not_found"])
            XCTAssertEqual(account.snapshot().status, .idle)
            XCTAssertEqual(manager.health().connected, 0)
            let started = try await manager.batchStart(accounts: ["anna", "unlinked", "nobody"])
            XCTAssertEqual(started.map(\.error), [nil, "not_linked", "not_found"])
            try await soon { try await account.reached(status: .ready) }
            XCTAssertEqual(manager.health().connected, 1)
            return changed
        }
        try await withManager(manager(database: true)) { manager in
            let account = try manager.account(account: "anna")
            let snapshot = account.snapshot()
            XCTAssertEqual(snapshot.settings, changed.settings)
            XCTAssertEqual(snapshot.displayName, changed.displayName)
            XCTAssertEqual(snapshot.metadata, changed.metadata)
            let trust = try await account.trust()
            XCTAssertEqual(trust.level, 1)
        }
    }

    private func trustAndOutbox(_ account: Account) async throws {
        try await account.setTrustLevel(level: 2, actor: "a test", reason: "known for years")
        try await account.setDailyLimit(limit: 3, actor: "a test")
        let trust = try await account.trust()
        XCTAssertEqual(trust.level, 2)
        XCTAssertEqual(trust.dailyLimit, 3)
        let tooHigh = try await failure { try await account.setTrustLevel(level: 4, actor: "a test", reason: "a wish") }
        XCTAssertEqual(tooHigh.code, "too_high")
        let noLevel = try await failure { try await account.setTrustLevel(level: 6, actor: "a test", reason: "") }
        XCTAssertEqual(noLevel.code, "invalid_level")
        try await account.setTrustLevel(level: 1, actor: "a test", reason: "a new number")

        // One stranger a day at this level: the next one's message waits.
        let strangers = try (0..<2).map { try server.phone(name: "stranger \($0)").address() }
        try await mayWrite(account, to: strangers[0])
        try await account.send(.text("hello"), to: strangers[0])
        let options = AccountSendOptions(onLimit: .enqueue(deadline: 3 * 86400))
        let queued = try await account.send(.text("hello"), to: strangers[1], options: options)
        guard case .queued(let id, position: 0, let earliest) = queued else { return XCTFail("\(queued)") }
        XCTAssertGreaterThan(earliest, Date())
        let outbox = try await account.outbox()
        XCTAssertEqual(outbox.map(\.id), [id])
        XCTAssertEqual(outbox.map(\.to), [strangers[1]])
        let isCancelled = try await account.cancelSend(id: id)
        XCTAssertTrue(isCancelled)
        let isCancelledAgain = try await account.cancelSend(id: id)
        XCTAssertFalse(isCancelledAgain)
        let left = try await account.outbox()
        XCTAssertEqual(left, [])
    }

    func testPeople() async throws {
        let (client, other) = (try await link("anna"), try await link("bob"))
        let (anna, bob) = (try server.phone(name: "anna"), try server.phone(name: "bob"))
        let numbers = try await client.checkNumbers(numbers: [bob.number(), "19995550000"])
        XCTAssertEqual(numbers.map(\.isRegistered), [true, false])
        XCTAssertEqual(numbers[0].lid, bob.lid())
        try await other.setAbout(text: "gone fishing")
        let told = try await client.userInfo(users: [bob.lid()])
        XCTAssertEqual(told.map(\.about), ["gone fishing"])
        try await client.block(user: bob.lid())
        let blocked = try await client.blocked()
        XCTAssertEqual(blocked, [bob.lid()])
        try await client.unblock(user: bob.lid())
        let unblocked = try await client.blocked()
        XCTAssertEqual(unblocked, [])
        // A call, and no.
        try bob.call(to: anna.address(), callId: "CALL1", isVideo: true)
        let call = try await soon {
            for await case .call(let call, "CALL1", _, "offer", video: true, _) in client.events() { return call }
            throw StreamEnded()
        }
        try await client.rejectCall(call: call)
    }

    func testAConnectionComesAndGoes() async throws {
        try await withClient(.memory(), onTheServer) { client in
            let device = try await pair(client, server.phone(name: "anna"))
            try await client.disconnect()
            try await server.waitOffline(device: device)
            XCTAssertFalse(try server.isOnline(device: device))
            try await client.reconnect()
            try await soon {
                for await case .connected in client.events() { return }
                throw StreamEnded()
            }
            try await server.waitOnline(device: device)
            try await client.logout()
            XCTAssertEqual(try server.phone(name: "anna").linkedDevices(), [])
        }
    }
}
