import Foundation

/// The variant of an error says what to do: `catch WaError.Limited { … }`. What all of them have is here.
extension WaError {
    /// What happened, for programs: a name that stays.
    public var code: String { fields.code }

    /// What happened, for people who look into it. Without secrets; not in the user's language.
    public var detail: String { fields.detail }

    /// How many seconds to wait before trying again, where that is known.
    public var retryAfter: TimeInterval? { fields.retryAfter }

    /// When what stands against it ends, where that is known.
    public var until: Date? { fields.until }

    private var fields: (code: String, detail: String, retryAfter: TimeInterval?, until: Date?) {
        switch self {
        case .Unavailable(let code, let detail, let retryAfter, let until),
            .NotLinked(let code, let detail, let retryAfter, let until),
            .Limited(let code, let detail, let retryAfter, let until),
            .Restricted(let code, let detail, let retryAfter, let until),
            .Refused(let code, let detail, let retryAfter, let until),
            .Invalid(let code, let detail, let retryAfter, let until),
            .NotFound(let code, let detail, let retryAfter, let until),
            .Conflict(let code, let detail, let retryAfter, let until),
            .Unknown(let code, let detail, let retryAfter, let until),
            .Media(let code, let detail, let retryAfter, let until),
            .Store(let code, let detail, let retryAfter, let until),
            .Cancelled(let code, let detail, let retryAfter, let until),
            .Closed(let code, let detail, let retryAfter, let until),
            .Other(let code, let detail, let retryAfter, let until):
            return (code, detail, retryAfter, until)
        }
    }
}

/// Prints as its text for logs, and so does `localizedDescription`.
extension WaError: CustomStringConvertible, CustomDebugStringConvertible {
    public var description: String { message() }
    public var debugDescription: String { message() }
}
