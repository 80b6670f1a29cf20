import Foundation
import Wa
import XCTest

/// How chats stand, who is known, and what an account shows of itself.
final class ChatTests: TestServerCase {
    /// What one device of an account does there, another has, too.
    func testContactsAndChats() async throws {
        let (client, other) = (try await link("anna"), try await link("anna"))
        let (bob, carla) = (try server.phone(name: "bob").address(), try server.phone(name: "carla").address())
        /// Looks anew with each change of what the devices share that the other one hears of.
        func isSoThere(_ holds: @escaping @Sendable () async throws -> Bool) async throws {
            try await soon {
                if try await holds() { return }
                for await case .state in other.events() {
                    if try await holds() { return }
                }
                throw StreamEnded()
            }
        }

        func areKnown(_ expected: Set<Contact>, line: UInt = #line) async throws {
            let here = try await client.contacts()
            XCTAssertEqual(Set(here), expected, line: line)
            try await isSoThere { try await Set(other.contacts()) == expected }
        }
        let contact = Contact(address: bob, fullName: "Bob B.", firstName: "Bob", username: "bob.b")
        try await client.putContact(contact: contact)
        try await areKnown([contact])
        let found = try await other.contact(address: bob)
        XCTAssertEqual(found, contact)
        let renamed = Contact(address: bob, fullName: "Robert B.", firstName: "Bob", username: "bob.b")
        try await client.putContact(contact: renamed)
        try await areKnown([renamed])
        let second = Contact(address: carla, fullName: "Carla")
        try await client.putContact(contact: second)
        try await areKnown([renamed, second])
        try await client.removeContact(address: carla)
        try await areKnown([renamed])
        let removed = try await other.contact(address: carla)
        XCTAssertNil(removed)

        let tomorrow = Date(timeIntervalSince1970: (Date().timeIntervalSince1970 + 86400).rounded())
        func isSo(
            isArchived: Bool = false, isPinned: Bool = false, isMuted: Bool = false, mutedUntil: Date? = nil,
            isMarkedUnread: Bool = false, isLocked: Bool = false, line: UInt = #line
        ) async throws {
            let expected = ChatSettings(
                isArchived: isArchived, isPinned: isPinned, isMuted: isMuted, mutedUntil: mutedUntil,
                isMarkedUnread: isMarkedUnread, isLocked: isLocked)
            let here = try await client.chatSettings(chat: bob)
            XCTAssertEqual(here, expected, line: line)
            try await isSoThere { try await other.chatSettings(chat: bob) == expected }
        }
        try await isSo()
        try await client.archiveChat(chat: bob, isArchived: true)
        try await isSo(isArchived: true)
        try await client.archiveChat(chat: bob, isArchived: false)
        try await client.pinChat(chat: bob, isPinned: true)
        try await isSo(isPinned: true)
        try await client.pinChat(chat: bob, isPinned: false)
        try await client.muteChat(chat: bob)
        try await isSo(isMuted: true)
        try await client.muteChat(chat: bob, until: tomorrow)
        try await isSo(isMuted: true, mutedUntil: tomorrow)
        try await client.unmuteChat(chat: bob)
        try await client.markChat(chat: bob, isRead: false)
        try await isSo(isMarkedUnread: true)
        try await client.markChat(chat: bob, isRead: true)
        try await client.lockChat(chat: bob, isLocked: true)
        try await isSo(isLocked: true)
        try await client.lockChat(chat: bob, isLocked: false)
        try await isSo()

        func areStarred(_ expected: [String], line: UInt = #line) async throws {
            let here = try await client.starred()
            XCTAssertEqual(here.map(\.id), expected, line: line)
            try await isSoThere { try await other.starred().map(\.id) == expected }
        }
        let anna = try server.phone(name: "anna")
        try await server.phone(name: "bob").sendText(to: anna.address(), text: "hello")
        let received = try await nextMessage(client)
        try await client.star(message: received.key, isStarred: true)
        try await areStarred([received.id])
        let starred = try await client.starred()
        XCTAssertEqual(starred.map(\.fromMe), [false])
        try await client.star(message: starred[0], isStarred: false)
        try await areStarred([])
    }

    func testFavoritesAndHiddenStatuses() async throws {
        let client = try await link("anna")
        let (bob, carla) = (try server.phone(name: "bob").address(), try server.phone(name: "carla").address())
        try await client.setFavorites(chats: [carla, bob])
        let favorites = try await client.favorites()
        XCTAssertEqual(favorites, [carla, bob])
        try await client.muteStatus(user: bob, isMuted: true)
        let isHidden = try await client.isStatusMuted(user: bob)
        XCTAssertTrue(isHidden)
        try await client.muteStatus(user: bob, isMuted: false)
        let isStillHidden = try await client.isStatusMuted(user: bob)
        XCTAssertFalse(isStillHidden)
    }

    func testMessagesAndChatsAreRemoved() async throws {
        let client = try await link("anna")
        let (anna, bob) = (try server.phone(name: "anna"), try server.phone(name: "bob"))
        try await bob.sendText(to: anna.address(), text: "hello")
        let received = try await nextMessage(client)

        func isTold(_ kind: String) async throws {
            try await soon {
                for await case .state(let index, _, _) in client.events() where index[0] == kind { return }
                throw StreamEnded()
            }
        }
        try await client.deleteForMe(message: received.key, at: received.timestamp)
        try await isTold("deleteMessageForMe")
        let newest = NewestMessage(key: received.key, at: received.timestamp)
        try await client.clearChat(chat: bob.address(), newest: newest, withStarred: true)
        try await isTold("clearChat")
        try await client.deleteChat(chat: bob.address(), newest: newest, withMedia: true)
        try await isTold("deleteChat")
    }

    func testWhatAnAccountShowsIsSeen() async throws {
        let (client, other) = (try await link("anna"), try await link("bob"))
        let (anna, bob) = (try server.phone(name: "anna"), try server.phone(name: "bob"))
        try await client.setAvailable(isAvailable: true)
        try await client.setPushName(name: "Anna A.")
        try await client.send(.text("hello"), to: bob.address())
        let message = try await nextMessage(other)
        XCTAssertEqual(message.pushName, "Anna A.")

        let jpeg = Data([0xFF, 0xD8, 0xFF, 0xE0, 1, 2, 3])
        func isPicture(of address: String, _ expected: Data?, line: UInt = #line) async throws {
            let picture = try await other.picture(address: address, limit: 1000)
            XCTAssertEqual(picture, expected, line: line)
        }
        try await isPicture(of: anna.lid(), nil)
        try await client.setPicture(jpeg: jpeg)
        try await isPicture(of: anna.lid(), jpeg)
        let large = try await failure { try await other.picture(address: anna.lid(), limit: 3) }
        guard case .Invalid = large else { return XCTFail("\(large)") }
        try await client.setPicture()
        try await isPicture(of: anna.lid(), nil)
        let refused = try await failure { try await client.setPicture(jpeg: Data("GIF89a".utf8)) }
        guard case .Refused = refused else { return XCTFail("\(refused)") }
        XCTAssertEqual(refused.code, "refused_406")

        let group = try await client.createGroup(subject: "friends", members: [bob.address()]).group.address
        try await client.setGroupPicture(group: group, jpeg: jpeg)
        try await isPicture(of: group, jpeg)
        try await client.setGroupPicture(group: group)
        try await isPicture(of: group, nil)
    }

    func testTheServiceHasAClockAndNumbersHaveAddresses() async throws {
        let (client, anna) = (try await link("anna"), try server.phone(name: "anna"))
        XCTAssertEqual(try XCTUnwrap(client.serverTime()).timeIntervalSinceNow, 0, accuracy: 3600)
        XCTAssertEqual(try addressOfNumber(phoneNumber: anna.number()), anna.address())
        let wrong = try await failure { try addressOfNumber(phoneNumber: "no number") }
        XCTAssertEqual(wrong.code, "invalid_phone")
    }
}
