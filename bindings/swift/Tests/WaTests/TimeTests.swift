import Foundation
import Wa
import XCTest

/// Durations and dates that the library has no form for: the nearest goes in their place, and none of them ends the process.
final class TimeTests: TestServerCase {
    private let none: [TimeInterval] = [-1, -.infinity, .nan]
    private let endless: [TimeInterval] = [.infinity, .greatestFiniteMagnitude]
    private let last = Date(timeIntervalSince1970: 253_402_300_799)

    func testWhatIsNoTimeIsTheNearest() {
        let durations = (none + endless).map { duration -> TimeInterval? in
            guard case .disappearing(let after) = Message.disappearing(after: duration).content() else { return 0 }
            return after
        }
        let most = TimeInterval(UInt32.max)
        XCTAssertEqual(durations, [nil, nil, nil, most, most])

        let given = (none + endless).map { Date(timeIntervalSince1970: $0) } + [Date.distantPast, Date.distantFuture]
        let dates = given.map { date -> Date? in
            let party = Message.occasion(occasion: OccasionOptions(name: "Party", starts: date))
            guard case .occasion(_, _, let starts, _, _) = party.content() else { return nil }
            return starts
        }
        // What is before 1970 says nothing in a message.
        XCTAssertEqual(dates, [nil, nil, nil, last, last, nil, Date.distantFuture])
    }

    func testCallsReturn() async throws {
        let (client, other, anna) = (try await link("anna"), try await link("bob"), try server.phone(name: "anna"))
        let bob = try server.phone(name: "bob").address()
        for time in none + endless {
            try await client.muteChat(chat: bob, until: Date(timeIntervalSince1970: time))
        }
        let atMost = try await client.chatSettings(chat: bob).mutedUntil
        XCTAssertEqual(atMost, last)
        try await client.muteChat(chat: bob, until: Date.distantFuture)
        let until = try await client.chatSettings(chat: bob).mutedUntil
        XCTAssertEqual(until, Date.distantFuture)

        let sent = try await other.upload(Data(repeating: 1, count: 3000), kind: .image)
        try await other.send(.image(file: sent), to: anna.address())
        _ = try await anna.nextMessage()
        let received = try await nextMessage(client)
        guard case .image(let file, _, _, _, _, _, _) = received.content else { return XCTFail("\(received.content)") }
        anna.goOffline()
        for time in none {
            let silent = try await failure {
                try await client.requestReupload(message: received.key, file: file, within: time)
            }
            guard case .Unavailable = silent else { return XCTFail("\(silent)") }
        }
        try anna.goOnline()
        let found = try await soon {
            try await client.requestReupload(message: received.key, file: file, within: .infinity)
        }
        XCTAssertEqual(found.sha256(), file.sha256())
    }
}
