import Wa

/// A bot that answers what people write to it. Without arguments it runs on the test server, where a phone writes to it;
/// with the name of a file it links to the real service, and keeps the account there.
///
///     swift run EchoBot
///     swift run EchoBot account.db
@main
struct EchoBot {
    static func main() async throws {
        forwardLogs()
        if let path = CommandLine.arguments.dropFirst().first {
            let store = try await Store.sqlite(path: path)
            try await withClient(store, ClientOptions(deviceName: "echo bot"), echo)
        } else {
            try await onTheTestServer()
        }
    }

    static func onTheTestServer() async throws {
        let server = try await TestServer.start()
        let (anna, phone) = (try server.phone(name: "anna"), try server.phone(name: "bot"))
        try await withClient(.memory(), ClientOptions(testServer: server)) { client in
            pairing: for await event in client.events() {
                switch event {
                case .pairingQr(let text, _): try await phone.scan(qr: text)
                case .connected: break pairing
                default: break
                }
            }
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    do {
                        try await echo(client)
                    } catch is CancellationError {}
                }
                group.addTask { try await talk(anna, with: phone) }
                // The bot has no end, unless it fails.
                try await group.next()
                group.cancelAll()
                try await group.waitForAll()
            }
        }
    }

    static func talk(_ anna: TestPhone, with bot: TestPhone) async throws {
        for text in ["hello", "is anybody there?"] {
            try await anna.sendText(to: bot.address(), text: text)
            let answer = try await anna.nextMessage()
            print("anna: \(text)\nbot: \(answer.text ?? "")")
        }
    }
}
