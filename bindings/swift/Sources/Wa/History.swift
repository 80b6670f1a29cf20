/// `for await` over the past that the phone sends after linking, to a client that was opened with `readsHistory`.
///
/// ```swift
/// try await withClient(store, ClientOptions(readsHistory: true)) { client in
///     guard let past = try client.history() else { return }
///     for await part in past {
///         for message in part.messages { print(message.sender, message.key.id) }
///     }
/// }
/// ```
///
/// The phone sends the newest messages at once, and again with all the others; and a part counts as taken when the next one
/// is asked for, so that after a crash the last one comes again with the next start. So know messages by their keys. Events
/// come meanwhile: take them in a task of their own.
///
/// A client has one such stream. The loop does not end by itself, for a phone may send more at any time. It ends with the
/// client, after `stop()`, or when its task is cancelled, which loses nothing: a later loop goes on, and so it does after a
/// `break`.
extension HistoryStream: AsyncSequence {
    public typealias Element = HistoryPart

    public func makeAsyncIterator() -> HistoryIterator {
        HistoryIterator(stream: self)
    }
}

/// Takes the past part by part.
public struct HistoryIterator: AsyncIteratorProtocol {
    let stream: HistoryStream

    /// The next part; nothing when the stream ended, or the task was cancelled.
    public mutating func next() async -> HistoryPart? {
        await first(ready: stream.ready, take: { stream.take().map { [$0] } ?? [] })
    }
}
