import Wa

let server = try await TestServer.start() // Without it: the real service, and your phone scans.
let bot = try server.phone(name: "bot")
let anna = try server.phone(name: "anna")
try await withClient(.memory(), ClientOptions(testServer: server)) { client in
    events: for await event in client.events() {
        switch event {
        case .pairingQr(let text, _):
            try await bot.scan(qr: text)
        case .connected:
            try await anna.sendText(to: bot.address(), text: "ping")
        // Nowhere else: an answer to a status post would be published as the account's own.
        case .message(let message) where message.chatKind == .direct && !message.fromMe:
            try await client.send(.text("pong"), to: message.chat)
            print("anna reads:", try await anna.nextMessage().text ?? "")
            break events
        default:
            break
        }
    }
}
