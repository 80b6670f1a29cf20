extension Message {
    /// A text.
    public static func text(_ text: String) -> Message {
        .text(text: text)
    }

    /// As an answer to a message that was received, which is quoted.
    public func reply(to received: MessageReceived) throws -> Message {
        try replyTo(target: received.key, quoted: received.message)
    }

    /// As an answer to a message that came to an account of a manager. `account.reply(_:to:)` sends it, too.
    public func reply(to received: InboundMessage) throws -> Message {
        try replyTo(target: received.key, quoted: received.message)
    }
}

extension Client {
    /// Sends a message, and waits until the service has it. It is stored before anything of it leaves, and is sent whatever
    /// happens: without a connection it waits for one, and after a crash it is sent again under the same id.
    ///
    /// Cancelling the task does not take the message back; `cancelSend(id:)` may.
    @discardableResult
    public func send(_ message: Message, to chat: String, options: SendOptions? = nil) async throws -> Sent {
        try await send(chat: chat, message: message, options: options)
    }
}

extension Account {
    /// Sends a message, within the account's limits: what they do not allow is `WaError.Limited`, or waits, as is asked for.
    @discardableResult
    public func send(_ message: Message, to chat: String, options: AccountSendOptions? = nil) async throws -> SendResult {
        try await send(to: chat, message: message, options: options)
    }
}

extension Account {
    /// Answers a message, which is quoted, within the account's limits.
    @discardableResult
    public func reply(_ message: Message, to received: InboundMessage) async throws -> SendResult {
        try await reply(to: received, message: message)
    }
}

extension InboundMessage {
    /// The message that an event of a manager tells of, by the event's `data`: for whoever kept that. An event that is at
    /// hand has it as `message`.
    public init(eventData data: String) throws {
        self = try messageOfEvent(data: data)
    }
}

extension PollTally {
    /// Takes what a message says about the poll: a vote, or one more option. False when it says nothing about it.
    @discardableResult
    public func add(_ message: MessageReceived) throws -> Bool {
        try add(received: message)
    }

    /// The same of a message that came to an account of a manager.
    @discardableResult
    public func add(_ message: InboundMessage) throws -> Bool {
        try addInbound(received: message)
    }
}
