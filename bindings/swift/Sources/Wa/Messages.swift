extension Message {
    /// A text.
    public static func text(_ text: String) -> Message {
        .text(text: text)
    }

    /// As an answer to a message that was received, which is quoted.
    public func reply(to received: MessageReceived) throws -> Message {
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
