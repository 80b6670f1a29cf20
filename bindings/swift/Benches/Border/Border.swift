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
    static let megabytes = isQuick ? 4 : 100
    /// MiB that a download may hold at once, however large the file is.
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
        let (sender, receiver) = (try server.phone(name: "bob"), try server.phone(name: "anna"))
        var last = ""
        for number in 0..<eventCount {
            last = try await sender.sendText(to: receiver.address(), text: "event \(number)")
        }
        let stream = client.events()
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
        line("an event with a message, taken", spent / Double(eventCount) * 1e6, "us")
        line("events with messages, taken", Double(eventCount) / spent, "/s")
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

        var held = try resident()
        var start = now()
        let file = try await client.upload(contentsOf: out, kind: .document)
        line("\(megabytes) MB up, by path", now() - start, "s")
        start = now()
        let reading = try FileHandle(forReadingFrom: out)
        let pieces = sequence(state: reading) { reading in
            (try? reading.read(upToCount: 1 << 16)).flatMap { $0.isEmpty ? nil : $0 }
        }
        _ = try await client.upload(pieces: pieces, kind: .document)
        line("\(megabytes) MB up, in pieces", now() - start, "s")
        line("memory that the two left, server and all", try resident() - held, "MiB")
        // The server has what it will have: what is held more from now on is the download's.
        held = try resident()
        try forgetPeak()
        start = now()
        try await client.download(file, to: back)
        line("\(megabytes) MB down, by path", now() - start, "s")
        var length = 0
        start = now()
        for try await piece in try client.download(file) {
            length += piece.count
        }
        guard length == megabytes << 20 else { throw Failed(what: "\(length) bytes came") }
        line("\(megabytes) MB down, in pieces", now() - start, "s")
        let more = try peak() - held
        line("memory while it came down, at most", more, "MiB")
        guard more < memory else { throw Failed(what: "a file is held whole") }
    }

    static func line(_ what: String, _ number: Double, _ unit: String) {
        print(what.padding(toLength: 44, withPad: " ", startingAt: 0), String(format: "%10.2f", number), unit)
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
