// It looks into /proc.
#if os(Linux)
import Foundation
import Wa
import XCTest

/// Ten thousand of what is made most, and nothing of it stays.
final class LeakTests: TestServerCase {
    /// Clients over a memory store on the test server, each with its event stream, a message and a loop that is cancelled.
    /// Every hundredth is over a SQLite file: those have descriptors.
    func testCreatedAndDropped10000Times() async throws {
        let (server, folder) = (server!, folder!)
        @Sendable func cycle(_ number: Int) async throws {
            let file = folder.appendingPathComponent("\(number).db")
            let store = number % 100 == 0 ? try await Store.sqlite(file) : Store.memory()
            let client = try await Client.connect(store: store, options: ClientOptions(testServer: server))
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

    /// Calls that wait for a login that nobody brings about, a hundred at a time.
    func testCancelled10000Times() async throws {
        let client = try await Client.connect(store: .memory(), options: onTheServer)
        try await soon {
            for await case .pairingQr in client.events() { return }
        }
        let before = runtimeUsage().cancelledCalls
        try await stays(count: 10_000) { range in
            for _ in 0..<range.count / 100 {
                let calls = runtimeUsage().calls
                let waiting = (0..<100).map { _ in Task { try await client.ready() } }
                try await eventually { runtimeUsage().calls == calls + 100 }
                waiting.forEach { $0.cancel() }
                for task in waiting {
                    guard case .failure(let error) = await task.result else { return XCTFail("it was not cancelled") }
                    XCTAssertTrue(error is CancellationError)
                }
            }
        }
        XCTAssertEqual(runtimeUsage().cancelledCalls, before + 10_000)
        try await client.shutdown()
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
        try? await eventually { try Usage().isBack(at: start) && Usage().threads <= before.threads }
        let after = try Usage()
        print("at first: \(start)\nbefore:   \(before)\nafter:    \(after)")
        XCTAssertTrue(after.isBack(at: start))
        XCTAssertLessThanOrEqual(after.threads, before.threads)
        // One kilobyte for each would be a leak: a client alone has more.
        XCTAssertLessThan(after.resident - before.resident, count * 4 / 5 * 1024)
    }
}

/// What a process holds.
struct Usage {
    var calls: UInt64
    var tasks: UInt64
    var descriptors: Int
    var threads: Int
    /// Resident memory, in bytes.
    var resident: Int

    init() throws {
        let runtime = runtimeUsage()
        (calls, tasks) = (runtime.calls, runtime.tasks)
        descriptors = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count
        threads = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/task").count
        let pages = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8).split(separator: " ")
        resident = Int(pages[1])! * Int(sysconf(Int32(_SC_PAGESIZE)))
    }

    func isBack(at start: Usage) -> Bool {
        calls <= start.calls && tasks <= start.tasks && descriptors <= start.descriptors
    }
}
#endif
