import Foundation
import Wa

/// What concerns a whole process, each in one of its own: the tests run this with the name of one.
@main
struct Processes {
    static func main() async throws {
        switch CommandLine.arguments.dropFirst().first {
        case "shutdown": try await shutdownEndsEverything()
        case "streams": try await endsWithStreamsOpen()
        case "logs": try await logsToStandardError()
        case "failures": try await aListenerThrows()
        case "forwarded failures":
            forwardLogs(level: .error)
            try await aListenerThrows()
        default: fatalError("say which")
        }
    }

    /// Prints what a call says after the shutdown.
    static func shutdownEndsEverything() async throws {
        precondition(configure(threads: 1))
        let server = try await TestServer.start()
        let client = try await Client.connect(store: .memory(), options: ClientOptions(testServer: server))
        let streams = Task {
            for await _ in client.events() {}
        }
        precondition(!configure(threads: 2), "it runs already")
        shutdown(timeout: 5)
        await streams.value
        do {
            _ = try await client.ready()
        } catch WaError.Closed(let code, _, _, _) {
            print("closed", code)
        }
    }

    /// Prints what is first on standard error.
    static func logsToStandardError() async throws {
        dup2(errors.fileHandleForWriting.fileDescriptor, STDERR_FILENO)
        forwardLogs()
        let server = try await TestServer.start()
        let phone = try server.phone(name: "anna")
        try await withClient(.memory(), ClientOptions(alias: "front desk", testServer: server)) { client in
            for await event in client.events() {
                if case .pairingQr(let text, _) = event { try await phone.scan(qr: text) }
                if case .connected = event { break }
            }
        }
        print(String(decoding: errors.fileHandleForReading.availableData, as: UTF8.self))
    }

    /// Prints what is on standard error once a listener threw twice.
    static func aListenerThrows() async throws {
        dup2(errors.fileHandleForWriting.fileDescriptor, STDERR_FILENO)
        let server = try await TestServer.start()
        let phone = try server.phone(name: "anna")
        let (codes, tell) = AsyncStream.makeStream(of: String.self)
        try await withClient(.memory(), ClientOptions(testServer: server)) { client in
            let subscription = try client.listen { event in
                if case .pairingQr(let text, _) = event {
                    tell.yield(text)
                    throw Thrown.atTheCode
                }
                if case .connected = event { throw Thrown.atTheLogin }
            }
            for await code in codes {
                try await phone.scan(qr: code)
                break
            }
            var said = ""
            while !said.contains("atTheLogin") {
                said += String(decoding: errors.fileHandleForReading.availableData, as: UTF8.self)
            }
            print(said)
            subscription.stop()
        }
    }

    /// Somebody waits for events, somebody listens, and the process ends.
    static func endsWithStreamsOpen() async throws {
        let server = try await TestServer.start()
        forwardLogs(level: .trace) { _ in }
        for _ in 0..<3 {
            let client = try await Client.connect(store: .memory(), options: ClientOptions(testServer: server))
            let (begun, tell) = AsyncStream.makeStream(of: String.self)
            Task {
                for await _ in client.events() { tell.yield("loop") }
            }
            let heard = try await Client.connect(store: .memory(), options: ClientOptions(testServer: server))
            kept.append(try heard.listen { _ in tell.yield("listener") })
            var atWork: Set<String> = []
            for await one in begun {
                atWork.insert(one)
                if atWork.count == 2 { break }
            }
        }
        print("done")
    }

    /// What is written to it once nobody reads any more would end the process.
    static let errors = Pipe()
    nonisolated(unsafe) static var kept: [Subscription] = []
}

enum Thrown: Error {
    case atTheCode
    case atTheLogin
}
