/// `for await` over what happens to an account.
///
/// ```swift
/// for await event in client.events() {
///     if case .message(let message) = event { print(message.text ?? "") }
/// }
/// ```
///
/// A durable event counts as dealt with when the next one is asked for: after a crash, or a `break`, the last one comes
/// again. Where events are dealt with elsewhere, take ``unconfirmed`` and call `confirm(number:)`.
///
/// While nobody asks for the next event, nothing more is received once a thousand wait; `waiting()` says how many do. There
/// is one stream for an account: two loops share its events. When the task is cancelled, the loop ends, and a later one goes
/// on.
extension EventStream: AsyncSequence {
    public typealias Element = Event

    public func makeAsyncIterator() -> EventIterator {
        EventIterator(stream: self, confirms: true)
    }

    /// The same events, for whoever calls `confirm(number:)` when they are dealt with.
    public var unconfirmed: UnconfirmedEvents {
        UnconfirmedEvents(stream: self)
    }
}

/// Events of an account that wait for `confirm(number:)`: what was not confirmed comes again after a restart.
public struct UnconfirmedEvents: AsyncSequence, Sendable {
    public typealias Element = Event

    let stream: EventStream

    public func makeAsyncIterator() -> EventIterator {
        EventIterator(stream: stream, confirms: false)
    }
}

/// Takes the events of an account one by one.
public struct EventIterator: AsyncIteratorProtocol {
    let stream: EventStream
    let confirms: Bool
    private var last: UInt64?

    init(stream: EventStream, confirms: Bool) {
        self.stream = stream
        self.confirms = confirms
    }

    /// The next event; nothing when the stream ended, or the task was cancelled.
    public mutating func next() async -> Event? {
        if let number = last {
            stream.confirm(number: number)
            last = nil
        }
        // One at a time: what was taken and not dealt with would come again only after a restart.
        guard let event = await first(ready: stream.ready, take: { stream.drain(max: 1) }) else { return nil }
        if confirms {
            last = event.number
        }
        return event
    }
}

extension Event {
    /// The number of a durable event, for `confirm(number:)`; nothing for those that are told once.
    public var number: UInt64? {
        switch self {
        case .message(let message), .opened(let message), .ownDevice(let message):
            return message.number
        case .messageLost(let number, _, _, _), .undecodable(let number, _, _), .chatsMerged(let number, _, _):
            return number
        case .unknown(let number, _, _):
            return number
        // All by name: a kind that is new is not overlooked.
        case .pairingQr, .pairingCode, .pairingCodeVoid, .passkeyChallenge, .passkeyCode, .passkeyFailed, .paired,
            .pairingFailed, .connected, .disconnected, .closed, .loggedOut, .backlog, .backlogDone, .undecryptable, .send,
            .receipt, .identityChanged, .presence, .typing, .profile, .account, .call, .group, .state, .stateSynced,
            .stateRefused, .stateBroken, .stateKeysMissing, .newsletter, .history, .historyFailed, .reuploaded,
            .storeFailed:
            return nil
        }
    }
}

/// The first of what waits, once something does. Waiting takes nothing: who is cancelled meanwhile loses nothing.
func first<T>(ready: () async throws -> Bool, take: () -> [T]) async rethrows -> T? {
    while !Task.isCancelled {
        if let one = take().first {
            return one
        }
        // Somebody else may take what it tells of: then it is asked again.
        guard try await ready() else { return nil }
    }
    return nil
}
