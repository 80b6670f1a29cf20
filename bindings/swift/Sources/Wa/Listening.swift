extension Client {
    /// Has a closure hear what happens to the account, instead of taking events from the stream. It is called from one
    /// thread of the library, one event at a time; while it works, events wait.
    ///
    /// Hold what is returned: with it the listening ends, and events wait for the next listener, or for a loop. There is one
    /// listener at a time.
    ///
    /// After `stop()` of the subscription, the event that the closure is at is its last one. `failed()`, which gives true as
    /// long as there are failures to take, gives false once the closure is through with that, and all is confirmed.
    ///
    /// A durable event counts as dealt with when the closure returns. When it throws, the event comes again after a restart,
    /// and `failures()` of the subscription tells of it; the next event comes in any case. It is told where `forwardLogs()`
    /// writes, too, also when that was not called.
    ///
    /// The account goes on as long as the subscription is held, whoever holds the client.
    ///
    /// - Note: A closure that holds its own subscription, mostly by an object that has both, keeps it until `stop()`, or until
    ///   the client is shut down.
    public func listen(_ hear: @escaping @Sendable (Event) throws -> Void) throws -> Subscription {
        try listen(listener: Listener(hear: hear))
    }
}

private final class Listener: EventListener {
    private let hear: @Sendable (Event) throws -> Void

    init(hear: @escaping @Sendable (Event) throws -> Void) {
        self.hear = hear
    }

    func onEvent(event: Event) throws {
        do {
            try hear(event)
        } catch CallbackError.Failed(let reason) {
            throw failed(reason)
        } catch {
            throw failed(String(describing: error))
        }
    }

    private func failed(_ reason: String) -> CallbackError {
        logUnlessForwarded("a listener failed: \(reason)")
        return .Failed(reason: reason)
    }
}
