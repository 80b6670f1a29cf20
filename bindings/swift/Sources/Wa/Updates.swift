/// `for await` over what happens to the accounts of a manager.
///
/// Keep the `seq` of the last event that was dealt with, and go on after it: `manager.events(after: seq)`. The event of a
/// message has it: `event.message` is what `reply`, `markRead` and the downloads of its account take.
///
/// ```swift
/// for await case .event(let event) in try manager.events(after: last) {
///     if let message = event.message { print(message.text ?? "") }
///     last = event.seq
/// }
/// ```
///
/// `.lagged` says that events are gone which were not taken in time; the stream goes on after them.
extension ManagerEvents: AsyncSequence {
    public typealias Element = ManagerUpdate

    public func makeAsyncIterator() -> ManagerEventIterator {
        ManagerEventIterator(stream: self)
    }
}

/// Takes the events of a manager one by one.
public struct ManagerEventIterator: AsyncIteratorProtocol {
    let stream: ManagerEvents

    /// The next event; nothing when the stream ended, or the task was cancelled.
    public mutating func next() async -> ManagerUpdate? {
        await first(ready: stream.ready, take: { stream.drain(max: 1) })
    }
}

extension ClientManager {
    /// Events from the event after `after` on; from now on without it. `account` is an id, and `kinds` are names such as
    /// `message.received`.
    public func events(
        after: UInt64? = nil, tenant: String? = nil, account: String? = nil, kinds: [String]? = nil
    ) throws -> ManagerEvents {
        try events(selection: EventSelection(tenant: tenant, account: account, kinds: kinds, after: after))
    }
}

/// `for await` over what happens while a phone is linked.
extension PairingTicket: AsyncSequence {
    public typealias Element = PairingUpdate

    public func makeAsyncIterator() -> PairingUpdateIterator {
        PairingUpdateIterator(ticket: self)
    }
}

/// Takes what happens while a phone is linked, one by one.
public struct PairingUpdateIterator: AsyncIteratorProtocol {
    let ticket: PairingTicket

    /// What happened next; nothing when it is over, or the task was cancelled.
    public mutating func next() async -> PairingUpdate? {
        await first(ready: ticket.ready, take: { ticket.drain(max: 1) })
    }
}
