import Foundation
import Wa

/// Thanks for every message that comes after the event `last`, says that it was read, and keeps its file.
func answer(_ manager: ClientManager, after last: UInt64, filesIn inbox: URL) async throws {
    for await case .event(let event) in try manager.events(after: last, kinds: ["message.received"]) {
        // What is an answer itself is not answered, nor is a status post: that would be a post of our own.
        if let message = event.message, [.direct, .group].contains(message.chatKind),
            !message.fromMe, message.quoted == nil, let id = event.account
        {
            let account = try manager.account(account: id)
            if case .document = message.content {
                try await account.download(message, to: inbox.appendingPathComponent("\(event.seq)"))
            }
            try await account.reply(.text("thank you"), to: message)
            try await account.markRead(messages: [message])
        }
        // Here it was dealt with: whoever goes on later keeps `event.seq`.
    }
}
