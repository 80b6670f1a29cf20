// It looks into /proc.
#if os(Linux)
import Foundation
import Wa
import XCTest

/// Ten thousand of what is made most, and nothing of it stays.
final class LeakTests: TestServerCase {
    /// Clients, each with its event stream, a message and a loop that is cancelled. Every twentieth has a socket, and every
    /// hundredth is over a SQLite file. Some are dropped while they connect, some once they are connected.
    func testCreatedAndDropped10000Times() async throws {
        let (server, folder, overTls) = (server!, folder!, try await TestServer.startOnSockets())
        let sockets = try Usage().sockets
        @Sendable func cycle(_ number: Int) async throws {
            let file = folder.appendingPathComponent("\(number).db")
            let store = number % 100 == 0 ? try await Store.sqlite(file) : Store.memory()
            let options = ClientOptions(testServer: number % 20 == 0 ? overTls : server)
            let client = try await Client.connect(store: store, options: options)
            if number % 10 == 0 { try await isConnected(client) }
            if number % 20 == 0 { XCTAssertGreaterThan(try Usage().sockets, sockets) }
            let loop = Task { for await _ in client.events() {} }
            _ = Message.text("hello").mentionAll()
            loop.cancel()
            await loop.value
        }
        try await stays(count: 10_000) { range in
            for number in range {
                try await cycle(number)
            }
        }
    }

    /// Calls a hundred at a time, over sockets, which wait for a login that nobody brings about, and beside them others that
    /// wait for what the service answers.
    func testCancelled10000Times() async throws {
        let server = try await TestServer.startOnSockets()
        let (options, sockets) = (ClientOptions(testServer: server), try Usage().sockets)
        let (unlinked, client) = (
            try await Client.connect(store: .memory(), options: options),
            try await Client.connect(store: .memory(), options: options)
        )
        try await isConnected(unlinked)
        try await pair(client, server.phone(name: "anna"))
        XCTAssertGreaterThanOrEqual(try Usage().sockets, sockets + 2)
        let bob = try server.phone(name: "bob")
        let counts = Counts()
        let before = runtimeUsage().cancelledCalls
        try await stays(count: 10_000) { range in
            for round in 0..<range.count / 100 {
                let calls = runtimeUsage().calls
                let waiting = (0..<100).map { _ in Task { _ = try await unlinked.ready() } }
                try await eventually { runtimeUsage().calls == calls + 100 }
                let asking = (0..<40).map { _ in Task { _ = try await client.checkNumbers(numbers: [bob.number()]) } }
                let uploading = (0..<10).map { _ in
                    Task { _ = try await client.upload(Data(count: 1000), kind: .document) }
                }
                // Some are given up before they begin, some on their way, and some have ended.
                for _ in 0..<round % 20 { await Task.yield() }
                for task in waiting + asking + uploading { task.cancel() }
                for task in waiting {
                    let isCancelled = try await wasCancelled(task)
                    XCTAssertTrue(isCancelled)
                }
                for task in asking { counts.asked += try await wasCancelled(task) ? 1 : 0 }
                for task in uploading { counts.uploaded += try await wasCancelled(task) ? 1 : 0 }
            }
        }
        print("cancelled: \(counts.asked) of 4000 that ask, \(counts.uploaded) of 1000 that upload")
        XCTAssertGreaterThan(counts.asked, 0)
        XCTAssertGreaterThan(counts.uploaded, 0)
        XCTAssertGreaterThanOrEqual(runtimeUsage().cancelledCalls, before + 10_000)
        try await client.send(.text("still here"), to: bob.address())
        let received = try await bob.nextMessage()
        XCTAssertEqual(received.text, "still here")
        try await unlinked.shutdown()
        try await client.shutdown()
    }

    /// What is made less often, each given up in the middle: listeners, files on their way up and down, managers.
    func testListenersFilesAndManagersLeaveNothingBehind() async throws {
        let (client, server, folder) = (try await link("anna"), server!, folder!)
        let file = try await client.upload(Data(count: 1 << 20), kind: .document)
        @Sendable func cycle(_ number: Int) async throws {
            let (heard, tell) = AsyncStream.makeStream(of: Void.self)
            let other = try await Client.connect(store: .memory(), options: ClientOptions(testServer: server))
            let subscription = try other.listen { _ in tell.yield() }
            _ = try await soon { await heard.first { true } }
            if number % 2 == 0 { subscription.stop() }

            for try await piece in try client.download(file) {
                XCTAssertFalse(piece.isEmpty)
                break
            }
            let writer = try client.upload(kind: .document)
            XCTAssertGreaterThan(try writer.write(bytes: Data(count: 1 << 16)), 0)

            let place = folder.appendingPathComponent("\(number)")
            let database = number % 10 == 0 ? place.appendingPathComponent("manager.db").path : nil
            try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
            let manager = try await ClientManager.open(
                options: ManagerOptions(folder: place.path, database: database, testServer: server))
            let events = try manager.events()
            _ = try await manager.create()
            let created = try await soon { await events.first { _ in true } }
            XCTAssertNotNil(created)
        }
        try await stays(count: 500) { range in
            for number in range {
                try await cycle(number)
            }
        }
    }

    /// Runs so many, and looks that calls, tasks, descriptors and threads are back where they were, and that the memory of
    /// the last four fifths did not grow with their number.
    private func stays(count: Int, _ run: @escaping @Sendable (Range<Int>) async throws -> Void) async throws {
        let start = try Usage()
        // What is made once and kept is there after this.
        try await run(0..<count / 5)
        try await eventually { try Usage().isBack(at: start) }
        let before = try Usage()
        try await run(count / 5..<count)
        // Tasks end by themselves, and a moment later.
        var after = try Usage()
        for _ in 0..<6000 where !(after.isBack(at: start) && after.threads <= before.threads) {
            try await Task.sleep(nanoseconds: 10_000_000)
            after = try Usage()
        }
        print("at first: \(start)\nbefore:   \(before)\nafter:    \(after)")
        XCTAssertTrue(after.isBack(at: start))
        XCTAssertLessThanOrEqual(after.threads, before.threads)
        // Little for ten thousand of anything, and for hundreds that have a piece of a file.
        XCTAssertLessThan(after.resident - before.resident, 8 << 20)
    }
}

/// Waits until the service wants a client to be linked.
private func isConnected(_ client: Client) async throws {
    try await soon {
        for await case .pairingQr in client.events() { return }
        throw StreamEnded()
    }
}

private func wasCancelled(_ task: Task<Void, Error>) async throws -> Bool {
    do {
        try await task.value
        return false
    } catch is CancellationError {
        return true
    }
}

/// How many calls were given up before they ended.
private final class Counts: @unchecked Sendable {
    var asked = 0
    var uploaded = 0
}

/// What a process holds.
struct Usage {
    var calls: UInt64
    var tasks: UInt64
    var descriptors: Int
    /// Those of the descriptors that are sockets.
    var sockets: Int
    var threads: Int
    /// Resident memory, in bytes.
    var resident: Int

    init() throws {
        let runtime = runtimeUsage()
        (calls, tasks) = (runtime.calls, runtime.tasks)
        let open = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")
        descriptors = open.count
        // That of the folder itself is gone by now.
        let targets = open.map { try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\($0)") }
        sockets = targets.filter { $0?.hasPrefix("socket:") == true }.count
        threads = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/task").count
        let pages = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8).split(separator: " ")
        resident = Int(pages[1])! * Int(sysconf(Int32(_SC_PAGESIZE)))
    }

    func isBack(at start: Usage) -> Bool {
        calls <= start.calls && tasks <= start.tasks && descriptors <= start.descriptors
    }
}
#endif
