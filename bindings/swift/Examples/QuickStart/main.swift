import Wa

let store = try await Store.sqlite(path: "account.db")
try await withClient(store) { client in
    for await event in client.events() {
        switch event {
        case .pairingQr(let text, _):
            print("scan:", text)
        case .message(let message) where !message.fromMe:
            guard let text = message.text else { break }
            try await client.send(.text("you said: \(text)"), to: message.chat)
        default:
            break
        }
    }
}
