import Foundation
import Wa

/// What the way into the library costs from Swift: calls, events, and a large file. All on the test server, in this process.
/// Prints, and fails when something does not work, or when a file is held whole. It looks into /proc, and so is for Linux.
///
///     swift run -c release Border            # as it is meant
///     swift run -c release Border --quick    # that it works
@main
struct Border {
    static let isQuick = CommandLine.arguments.contains("--quick")
    static let callCount = isQuick ? 200 : 20_000
    static let eventCount = isQuick ? 100 : 900
    /// More than twice what may be held at once.
    static let megabytes = isQuick ? 80 : 100
    /// MiB that a file may take on its way, however large it is.
    static let memory = 32.0

    static func main() async throws {
        let server = try await TestServer.start()
        try await withClient(.memory(), ClientOptions(testServer: server)) { client in
            try await link(client, server.phone(name: "anna"))
            try await calls(client)
            try await events(server, client)
            try await media(client)
        }
    }

    static func link(_ client: Client, _ phone: TestPhone) async throws {
        for await event in client.events() {
            switch event {
            case .pairingQr(let text, _): try await phone.scan(qr: text)
            case .connected: return
            default: break
            }
        }
    }

    static func calls(_ client: Client) async throws {
        var start = now()
        for _ in 0..<callCount {
            _ = client.status()
        }
        line("a synchronous call", (now() - start) / Double(callCount) * 1e6, "us")
        start = now()
        for _ in 0..<callCount {
            _ = try await client.ownAddresses()
        }
        line("an asynchronous call that an account answers", (now() - start) / Double(callCount) * 1e6, "us")
    }

    static func events(_ server: TestServer, _ client: Client) async throws {
        let stream = client.events()
        var last = try await fill(stream, server)
        var (taken, spent, lastTaken) = (0, 0.0, "")
        while taken < eventCount {
            guard await stream.ready() else { throw Failed(what: "the events ended") }
            let start = now()
            let batch = stream.drain(max: 64)
            spent += now() - start
            for case .message(let message) in batch {
                taken += 1
                stream.confirm(number: message.number)
                lastTaken = message.id
            }
        }
        guard lastTaken == last else { throw Failed(what: "the last message is another one") }
        line("an event with a message, of a drained batch", spent / Double(eventCount) * 1e6, "us")
        line("events with messages, drained 64 at a time", Double(eventCount) / spent, "/s")

        // As a program takes them: one by one, each confirmed when the next is asked for.
        last = try await fill(stream, server)
        taken = 0
        let start = now()
        for await case .message(let message) in stream {
            taken += 1
            lastTaken = message.id
            if taken == eventCount {
                stream.confirm(number: message.number)
                break
            }
        }
        let took = now() - start
        guard taken == eventCount, lastTaken == last else { throw Failed(what: "the loop has other messages") }
        line("an event with a message, in a loop, confirmed", took / Double(eventCount) * 1e6, "us")
        line("events with messages, in a loop, confirmed", Double(eventCount) / took, "/s")
    }

    /// Has so many messages wait in the stream: what it costs to receive them is not measured. Returns the last one's id.
    static func fill(_ stream: EventStream, _ server: TestServer) async throws -> String {
        let (sender, receiver) = (try server.phone(name: "bob"), try server.phone(name: "anna"))
        let texts = (0..<eventCount).map { "event \($0)" }
        let ids = try await sender.sendTexts(to: receiver.address(), texts: texts)
        while stream.waiting() < UInt64(eventCount) {
            try await Task.sleep(nanoseconds: 1_000_000)
        }
        return ids[eventCount - 1]
    }

    static func media(_ client: Client) async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let (out, back) = (folder.appendingPathComponent("out.bin"), folder.appendingPathComponent("in.bin"))
        try Data().write(to: out)
        let writing = try FileHandle(forWritingTo: out)
        for _ in 0..<megabytes * 16 {
            try writing.write(contentsOf: Data(count: 1 << 16))
        }
        try writing.close()

        let file = try await move("up, by path") { try await client.upload(contentsOf: out, kind: .document) }
        let reading = try FileHandle(forReadingFrom: out)
        let pieces = sequence(state: reading) { reading in
            (try? reading.read(upToCount: 1 << 16)).flatMap { $0.isEmpty ? nil : $0 }
        }
        _ = try await move("up, in pieces") { try await client.upload(pieces: pieces, kind: .document) }
        try await move("down, by path") { try await client.download(file, to: back) }
        let length = try await move("down, in pieces") {
            var length = 0
            for try await piece in try client.download(file) {
                length += piece.count
            }
            return length
        }
        guard length == megabytes << 20 else { throw Failed(what: "\(length) bytes came") }
    }

    /// Moves the file, and tells how long that takes, and how much the library holds meanwhile. The test server has the file
    /// whole, in this process: what goes up it keeps, and what comes down is a copy. One that held less would hide what the
    /// library holds.
    @discardableResult
    static func move<T>(_ way: String, _ work: () async throws -> T) async throws -> T {
        let held = try resident()
        try forgetPeak()
        let start = now()
        let result = try await work()
        line("\(megabytes) MB \(way)", now() - start, "s")
        let more = try peak() - held - Double(megabytes)
        line("memory meanwhile, but for the server's", more, "MiB")
        guard more > -memory else { throw Failed(what: "the server holds less than a file: \(way)") }
        guard more < memory else { throw Failed(what: "a file is held whole: \(way)") }
        return result
    }

    static func line(_ what: String, _ number: Double, _ unit: String) {
        let text = "\(what.padding(toLength: 46, withPad: " ", startingAt: 0)) \(String(format: "%10.2f", number)) \(unit)\n"
        // At once: an error ends the process with what `print` still holds.
        FileHandle.standardOutput.write(Data(text.utf8))
    }

    /// Seconds, of a clock that only goes on.
    static func now() -> Double {
        ProcessInfo.processInfo.systemUptime
    }

    /// What the process holds, MiB.
    static func resident() throws -> Double {
        let pages = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8).split(separator: " ")[1]
        return Double(pages)! * Double(sysconf(Int32(_SC_PAGESIZE))) / Double(1 << 20)
    }

    /// What the process held at most is counted from now on.
    static func forgetPeak() throws {
        let file = try FileHandle(forWritingTo: URL(fileURLWithPath: "/proc/self/clear_refs"))
        try file.write(contentsOf: Data("5".utf8))
        try file.close()
    }

    /// What the process held at most, MiB.
    static func peak() throws -> Double {
        let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
        return Double(line!.filter(\.isNumber))! / 1024
    }
}

struct Failed: Error {
    let what: String
}
