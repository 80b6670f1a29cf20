import Foundation
import Wa
import XCTest

/// A test with a test server in the process, a folder of its own, and devices that are linked to the server's phones.
class TestServerCase: XCTestCase {
    private(set) var server: TestServer!
    private(set) var folder: URL!
    private var clients: [Client] = []

    override func setUp() async throws {
        server = try await TestServer.start()
        folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    override func tearDown() async throws {
        for client in clients {
            try await client.shutdown()
        }
        clients = []
        server = nil
        try FileManager.default.removeItem(at: folder)
    }

    var onTheServer: ClientOptions { ClientOptions(testServer: server) }

    func manager(database: Bool = false) -> ManagerOptions {
        let file = folder.appendingPathComponent("manager.db").path
        return ManagerOptions(folder: folder.path, database: database ? file : nil, testServer: server)
    }

    /// Links a device to the phone of this name.
    func link(_ name: String) async throws -> Client {
        let client = try await Client.connect(store: .memory(), options: onTheServer)
        clients.append(client)
        try await pair(client, server.phone(name: name))
        return client
    }
}

struct TookTooLong: Error {}
struct StreamEnded: Error {}

/// What `work` gives, or an error after a minute.
@discardableResult
func soon<T: Sendable>(_ work: @escaping @Sendable () async throws -> T) async throws -> T {
    try await withThrowingTaskGroup(of: T.self) { group in
        group.addTask(operation: work)
        group.addTask {
            try await Task.sleep(nanoseconds: 60_000_000_000)
            throw TookTooLong()
        }
        defer { group.cancelAll() }
        return try await group.next()!
    }
}

/// Looks again and again until it is so: for what nothing tells of.
func eventually(_ holds: @escaping @Sendable () async throws -> Bool) async throws {
    try await soon {
        while try await !holds() {
            try await Task.sleep(nanoseconds: 5_000_000)
        }
    }
}

/// Lets the phone scan the first QR code, and waits for the login. Returns the device.
@discardableResult
func pair(_ client: Client, _ phone: TestPhone) async throws -> String {
    try await soon {
        var device = ""
        for await event in client.events() {
            switch event {
            case .pairingQr(let text, _): device = try await phone.scan(qr: text)
            case .connected: return device
            default: break
            }
        }
        throw StreamEnded()
    }
}

func nextMessage(_ client: Client) async throws -> MessageReceived {
    try await soon {
        for await event in client.events() {
            if case .message(let message) = event {
                return message
            }
        }
        throw StreamEnded()
    }
}

/// Makes an account of this name, and links it to the phone.
func linkedAccount(_ manager: ClientManager, _ phone: TestPhone, _ name: String) async throws -> Account {
    try await soon {
        let account = try await manager.create(spec: AccountSpec(name: name))
        let ticket = try await account.pair(request: PairRequest())
        updates: for await update in ticket {
            switch update {
            case .qr(let text, _): try await phone.scan(qr: text)
            case .linked: break updates
            case .failed(let code, let detail, _, _): throw WaError.Other(code: code, detail: detail, retryAfter: nil, until: nil)
            default: break
            }
        }
        try await account.reached(status: .ready)
        return account
    }
}

/// Waits until an account may write to this address: who is a stranger is known once the phone told of the past.
func mayWrite(_ account: Account, to address: String) async throws {
    try await eventually {
        if case .allowed = try await account.preview(to: address) { return true }
        return false
    }
}

/// Runs what must throw, and returns the error.
func failure<T>(
    of work: () async throws -> T, file: StaticString = #filePath, line: UInt = #line
) async throws -> WaError {
    do {
        _ = try await work()
    } catch let error as WaError {
        return error
    }
    XCTFail("nothing was thrown", file: file, line: line)
    throw StreamEnded()
}
