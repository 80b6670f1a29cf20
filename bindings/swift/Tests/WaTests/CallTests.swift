import Foundation
import Wa
import XCTest

/// Calls that no scenario makes, each with what comes of it.
final class CallTests: TestServerCase {
    func testWhoIsThereIsTold() async throws {
        let (client, other, bob) = (try await link("anna"), try await link("bob"), try server.phone(name: "bob"))
        func presence() async throws -> (user: String, isAvailable: Bool, lastSeen: Date?) {
            try await soon {
                for await case .presence(_, let user, let isAvailable, let lastSeen) in client.events() {
                    return (user, isAvailable, lastSeen)
                }
                throw StreamEnded()
            }
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

        // Nobody watches any more: the message comes, and nothing before it.
        try await client.unwatchPresence(user: bob.lid())
        try await other.setAvailable(isAvailable: true)
        try await other.send(.text("I am here"), to: server.phone(name: "anna").address())
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

    func testWhoWritesIsTold() async throws {
        let (client, anna, bob) = (try await link("anna"), try server.phone(name: "anna"), try server.phone(name: "bob"))
        func typing(_ client: Client) async throws -> (user: String, state: TypingState) {
            try await soon {
                for await case .typing(_, let user, let state) in client.events() { return (user, state) }
                throw StreamEnded()
            }
        }
        try bob.typing(to: anna.lid(), isTyping: true)
        let heard = try await typing(client)
        XCTAssertEqual(heard.user, bob.lid())
        XCTAssertEqual(heard.state, .composing)

        let other = try await link("bob")
        for state in [TypingState.composing, .recording, .paused] {
            try await client.setTyping(chat: bob.lid(), state: state)
            let heard = try await typing(other)
            XCTAssertEqual(heard.user, anna.lid())
            XCTAssertEqual(heard.state, state)
        }
        try await withManager(manager()) { manager in
            let carla = try server.phone(name: "carla")
            let account = try await linkedAccount(manager, carla, "carla")
            try await account.setTyping(chat: bob.lid(), state: .recording)
            let heard = try await typing(other)
            XCTAssertEqual(heard.user, carla.lid())
            XCTAssertEqual(heard.state, .recording)
        }
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
    }

    func testSettingsOfAnAccount() async throws {
        try await withManager(manager()) { manager in
            let settings = AccountSettings(autoStart: true, timeZone: "Asia/Jakarta")
            let account = try await manager.create(spec: AccountSpec(name: "anna", settings: settings))
            let before = account.snapshot()
            let after = try await account.update(
                displayName: "Anna", settings: SettingsChange(syncLimit: 7, storage: .database), metadata: ["a": "b"])
            XCTAssertEqual(after.displayName, "Anna")
            XCTAssertEqual(after.metadata, ["a": "b"])
            XCTAssertEqual(after.settings.syncLimit, 7)
            XCTAssertEqual(after.settings.storage, .database)
            // What was not named stays.
            XCTAssertTrue(after.settings.autoStart)
            XCTAssertEqual(after.settings.timeZone, "Asia/Jakarta")
            let late = try await failure { try await account.update(displayName: "A.", version: before.version) }
            guard case .Conflict = late else { return XCTFail("\(late)") }
            let wrong = try await failure { try await account.update(settings: SettingsChange(syncLimit: 501)) }
            guard case .Invalid = wrong else { return XCTFail("\(wrong)") }
            XCTAssertEqual(wrong.code, "invalid_settings")
            XCTAssertEqual(account.snapshot().displayName, "Anna")
        }
    }

    func testTrustAndOutbox() async throws {
        try await withManager(manager()) { manager in
            let account = try await linkedAccount(manager, server.phone(name: "anna"), "anna")
            try await account.setTrustLevel(level: 2, actor: "a test", reason: "known for years")
            let trust = try await account.trust()
            XCTAssertEqual(trust.level, 2)
            try await account.setDailyLimit(limit: 3, actor: "a test")
            let limited = try await account.trust()
            XCTAssertEqual(limited.dailyLimit, 3)
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
    }

    func testBatchStart() async throws {
        try await withManager(manager()) { manager in
            let account = try await linkedAccount(manager, server.phone(name: "anna"), "anna")
            _ = try await manager.create(spec: AccountSpec(name: "unlinked"))
            try await account.stop()
            XCTAssertEqual(manager.health().connected, 0)
            let started = try await manager.batchStart(accounts: ["anna", "unlinked", "nobody"])
            XCTAssertEqual(started.map(\.error), [nil, "not_linked", "not_found"])
            try await soon { try await account.reached(status: .ready) }
            XCTAssertEqual(manager.health().connected, 1)
        }
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

    func testChatsAndContacts() async throws {
        let (client, bob) = (try await link("anna"), try server.phone(name: "bob").lid())
        try await client.pinChat(chat: bob, isPinned: true)
        try await client.muteChat(chat: bob)
        let set = try await client.chatSettings(chat: bob)
        XCTAssertTrue(set.isPinned && set.isMuted)
        try await client.unmuteChat(chat: bob)
        let heard = try await client.chatSettings(chat: bob)
        XCTAssertFalse(heard.isMuted)
        try await client.putContact(contact: Contact(address: bob, fullName: "Bob"))
        let contact = try await client.contact(address: bob)
        XCTAssertEqual(contact?.fullName, "Bob")
        try await client.removeContact(address: bob)
        let removed = try await client.contact(address: bob)
        XCTAssertNil(removed)
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
