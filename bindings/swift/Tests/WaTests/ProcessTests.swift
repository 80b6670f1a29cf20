// Elsewhere there are no processes to start.
#if os(macOS) || os(Linux)
import Foundation
import XCTest

/// What concerns the whole process, each in one of its own: see Tests/Processes.
final class ProcessTests: XCTestCase {
    func testShutdownEndsEverything() throws {
        let ended = try run("shutdown")
        XCTAssertEqual(ended.text, "closed shutdown\n")
        XCTAssertEqual(ended.code, 0)
    }

    func testAProcessThatEndsWithStreamsOpen() throws {
        let ended = try run("streams")
        XCTAssertEqual(ended.text, "done\n")
        XCTAssertEqual(ended.code, 0)
    }

    #if os(Linux)
    /// Elsewhere they go to the system's log.
    func testLogsAreOnStandardError() throws {
        let ended = try run("logs")
        XCTAssertEqual(ended.code, 0)
        let line = #"(?m)^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ info wa_core\S*: \[front desk\] \S"#
        XCTAssertNotNil(ended.text.range(of: line, options: .regularExpression), ended.text)
    }

    /// Also by itself; and once, where the library's records tell of it.
    func testWhatAListenerThrowsIsOnStandardError() throws {
        for name in ["failures", "forwarded failures"] {
            let ended = try run(name)
            XCTAssertEqual(ended.code, 0)
            let lines = ended.text.split(separator: "\n").filter { $0.contains("a listener failed") }
            XCTAssertEqual(lines.count, 2, ended.text)
            XCTAssertEqual(lines.first?.hasSuffix("atTheCode"), true, ended.text)
            XCTAssertEqual(lines.last?.hasSuffix("atTheLogin"), true, ended.text)
        }
    }
    #endif

    private var products: URL {
        #if os(macOS)
        Bundle(for: Self.self).bundleURL.deletingLastPathComponent()
        #else
        Bundle.main.bundleURL
        #endif
    }

    private func run(_ name: String) throws -> (text: String, code: Int32) {
        let process = Process()
        process.executableURL = products.appendingPathComponent("Processes")
        process.arguments = [name]
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let limit = DispatchWorkItem { process.terminate() }
        DispatchQueue.global().asyncAfter(deadline: .now() + 60, execute: limit)
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        limit.cancel()
        XCTAssertEqual(process.terminationReason, .exit)
        return (text, process.terminationStatus)
    }
}
#endif
