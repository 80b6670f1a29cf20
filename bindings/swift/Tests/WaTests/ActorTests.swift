import Wa
import XCTest

/// What a user interface does: code on the main actor uses clients, and keeps what it hears. Most of it is that it compiles.
final class ActorTests: XCTestCase {
    func testAnActorKeepsWhatItHears() async throws {
        let model = Model()
        try await model.link(TestServer.start())
        let messages = await model.messages
        XCTAssertEqual(messages, ["hello"])
    }
}

@MainActor
private final class Model {
    private(set) var messages: [String?] = []

    func link(_ server: TestServer) async throws {
        let (anna, bob) = (try server.phone(name: "anna"), try server.phone(name: "bob"))
        try await withClient(.memory(), ClientOptions(testServer: server)) { client in
            for await event in client.events() {
                switch event {
                case .pairingQr(let text, _):
                    try await anna.scan(qr: text)
                case .connected:
                    try await bob.sendText(to: anna.address(), text: "hello")
                case .message(let message):
                    messages.append(message.text)
                    return
                default:
                    break
                }
            }
        }
    }
}
