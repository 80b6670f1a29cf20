import Wa

/// The bot: one loop.
func echo(_ client: Client) async throws {
    for await event in client.events() {
        switch event {
        case .pairingQr(let text, _):
            print("show this as a QR code, and scan it:", text)
        case .connected:
            print("connected")
        case .message(let message) where !message.fromMe:
            guard let text = message.text else { break }
            let answer = try Message.text("you said: \(text)").reply(to: message)
            // The message's id as a key: a message that comes again after a crash is answered once.
            try await client.send(answer, to: message.chat, options: SendOptions(idempotencyKey: message.id))
            try await client.markRead(messages: [message.key])
        case .closed(let reason), .loggedOut(let reason):
            print("the connection ended:", reason.detail)
            return
        default:
            break
        }
    }
}
