import Foundation
import Wa

/// The bot: one loop.
func echo(_ client: Client) async throws {
    for await event in client.events() {
        switch event {
        case .pairingQr(let text, _):
            print("show this as a QR code, and scan it:", text)
        case .connected:
            print("connected")
        // Nowhere else: an answer to a status post would be published as the account's own.
        case .message(let message) where [.direct, .group].contains(message.chatKind) && !message.fromMe:
            do {
                try await answer(message, client)
            } catch let error as WaError {
                // What comes later is answered all the same.
                FileHandle.standardError.write(Data("not answered: \(error)\n".utf8))
            }
        case .closed(let reason), .loggedOut(let reason):
            print("the connection ended:", reason.detail)
            return
        default:
            break
        }
    }
}

private func answer(_ message: MessageReceived, _ client: Client) async throws {
    guard let text = message.text else { return }
    let answer = try Message.text("you said: \(text)").reply(to: message)
    // The message's id as a key: a message that comes again after a crash is answered once.
    try await client.send(answer, to: message.chat, options: SendOptions(idempotencyKey: message.id))
    try await client.markRead(messages: [message.key])
}
