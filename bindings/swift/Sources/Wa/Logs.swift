import Foundation

#if canImport(os)
import os
#endif

/// Sends the library's log records of this level and above to the system's log, in the subsystem `wa` with the part of the
/// library as category; where there is none, as on Linux, to standard error. Those that are about an account begin with it.
/// Once for the process: later calls return false and change nothing.
///
/// What a listener throws goes there in any case, unless a closure gets the records.
@discardableResult
public func forwardLogs(level: LogLevel = .info) -> Bool {
    forwardLogs(level: level, to: write)
}

/// Hands the library's log records of this level and above to a closure, which a thread of the library calls. Once for the
/// process: later calls return false and change nothing.
@discardableResult
public func forwardLogs(level: LogLevel = .info, to write: @escaping @Sendable (LogRecord) -> Void) -> Bool {
    let isFirst = initLogging(level: level, sink: Sink(write: write))
    if isFirst {
        forwarding.begin()
    }
    return isFirst
}

/// For what nobody may overlook. Where the library's records go somewhere, they tell it already.
func logUnlessForwarded(_ text: String) {
    if !forwarding.hasBegun {
        write(LogRecord(level: .error, target: "wa", account: nil, text: text, at: Date(), dropped: 0))
    }
}

/// Whether the library's records go somewhere.
private final class Forwarding: @unchecked Sendable {
    private let lock = NSLock()
    private var isOn = false

    var hasBegun: Bool {
        lock.lock()
        defer { lock.unlock() }
        return isOn
    }

    func begin() {
        lock.lock()
        defer { lock.unlock() }
        isOn = true
    }
}

private let forwarding = Forwarding()

private final class Sink: LogSink {
    private let write: @Sendable (LogRecord) -> Void

    init(write: @escaping @Sendable (LogRecord) -> Void) {
        self.write = write
    }

    func log(record: LogRecord) {
        write(record)
    }
}

extension LogRecord {
    /// What it says, after whose account that is about.
    fileprivate var line: String { (account.map { "[\($0)] " } ?? "") + text }
}

#if canImport(os)
@Sendable private func write(_ record: LogRecord) {
    let type: OSLogType =
        switch record.level {
        case .trace, .debug: .debug
        case .info: .info
        case .warn: .default
        case .error: .error
        }
    let log = OSLog(subsystem: "wa", category: record.target)
    if record.dropped > 0 {
        os_log("%llu records were dropped before the next one", log: log, type: .default, record.dropped)
    }
    // Records hold no messages, keys and codes.
    os_log("%{public}@", log: log, type: type, record.line)
}
#else
@Sendable private func write(_ record: LogRecord) {
    var text = "\(record.at.formatted) \(record.level) \(record.target): \(record.line)\n"
    if record.dropped > 0 {
        text = "\(record.dropped) records were dropped before the next one\n" + text
    }
    // A process without one would be ended by `write(_:)`.
    try? FileHandle.standardError.write(contentsOf: Data(text.utf8))
}

extension Date {
    fileprivate var formatted: String { ISO8601DateFormatter().string(from: self) }
}
#endif
