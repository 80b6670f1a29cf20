import Foundation
import Wa

/// Ten accounts in one process, linked two at a time to phones of the test server. Each writes to the next, which answers.
///
///     swift run ManyAccounts
@main
struct ManyAccounts {
    static let count = 10

    static func main() async throws {
        let server = try await TestServer.start()
        let phones = try (0..<count).map { try server.phone(name: "account-\($0)") }
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let database = folder.appendingPathComponent("manager.db").path
        let options = ManagerOptions(folder: folder.path, database: database, testServer: server)
        try await withManager(options) { manager in
            try await link(phones, in: manager)
            for (phone, next) in zip(phones, phones[1...] + phones[..<1]) {
                // Whom an account knows is clear once its phone told of the past; a stranger waits for that.
                let patient = AccountSendOptions(onLimit: .waitUpTo(duration: 300))
                let account = try manager.account(account: phone.name())
                try await account.send(.text("hello \(next.name())"), to: next.address(), options: patient)
            }
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await answer(manager, after: 0, filesIn: folder) }
                group.addTask { try await read(count, in: manager) }
                // The answering has no end.
                try await group.next()
                group.cancelAll()
            }
            for account in try await manager.accounts() {
                print(account.name, account.status, "\(account.trust.sentToday) sent today")
            }
        }
    }

    /// Two at a time: as soon as one is linked, the next begins.
    static func link(_ phones: [TestPhone], in manager: ClientManager) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (number, phone) in phones.enumerated() {
                if number >= 2 { try await group.next() }
                group.addTask { try await link(phone, in: manager) }
            }
            try await group.waitForAll()
        }
    }

    static func link(_ phone: TestPhone, in manager: ClientManager) async throws {
        let account = try await manager.create(spec: AccountSpec(name: phone.name()))
        pairing: for await update in try await account.pair(request: PairRequest()) {
            switch update {
            case .qr(let text, _):
                try await phone.scan(qr: text)
            case .linked(let jid, _):
                print("\(phone.name()) is \(jid)")
                break pairing
            case .failed(_, let detail, _, let hints):
                throw NotLinked(why: "\(detail): \(hints)")
            default:
                break
            }
        }
        try await account.reached(status: .ready)
    }

    /// Reads so many answers.
    static func read(_ count: Int, in manager: ClientManager) async throws {
        var left = count
        for await case .event(let event) in try manager.events(after: 0, kinds: ["message.received"]) {
            guard let message = event.message, message.quoted != nil else { continue }
            print(message.text ?? "")
            left -= 1
            if left == 0 { return }
        }
    }
}

struct NotLinked: Error {
    let why: String
}
