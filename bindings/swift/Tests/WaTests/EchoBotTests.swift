@testable import EchoBot
import Wa
import XCTest

/// How a bot is tested: it runs on the test server, and a phone writes to it.
final class EchoBotTests: TestServerCase {
    func testAStatusPostIsNotAnswered() async throws {
        let (client, anna, phone) = (try await link("bot"), try server.phone(name: "anna"), try server.phone(name: "bot"))
        let bot = Task { try await echo(client) }
        try await anna.sendStatus(audience: [phone.address()], text: "on holiday")
        try await anna.sendText(to: phone.address(), text: "hello")
        let answer = try await anna.nextMessage()
        XCTAssertEqual(answer.text, "you said: hello")
        // Its own phone has a copy of all that it wrote, whoever may see it: this is the first.
        var copy = try await phone.nextMessage()
        while !copy.fromMe {
            copy = try await phone.nextMessage()
        }
        XCTAssertEqual(copy.text, "you said: hello")
        bot.cancel()
        do {
            try await bot.value
        } catch is CancellationError {}
    }
}
