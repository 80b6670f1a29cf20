/// Prints its case and fields. What links a phone to the account is not for logs, and prints as dots.
extension Event: CustomStringConvertible, CustomDebugStringConvertible {
    public var description: String {
        let secrets = [
            "pairingQr": "text", "pairingCode": "code", "passkeyChallenge": "options", "passkeyCode": "code",
            "reuploaded": "place",
        ]
        // Reflection does not tell the name of a case without fields.
        if case .connected = self { return "connected" }
        return printed(self, without: secrets)
    }

    public var debugDescription: String { "Event.\(self)" }
}

/// Prints its case and fields. What links a phone to the account is not for logs, and prints as dots.
extension PairingUpdate: CustomStringConvertible, CustomDebugStringConvertible {
    public var description: String {
        switch self {
        case .passkeyFailed: return "passkeyFailed"
        case .answerRefused: return "answerRefused"
        case .accepted: return "accepted"
        case .confirmed: return "confirmed"
        default:
            let secrets = ["qr": "text", "code": "code", "passkeyChallenge": "options", "passkeyConfirm": "code"]
            return printed(self, without: secrets)
        }
    }

    public var debugDescription: String { "PairingUpdate.\(self)" }
}

/// Prints its case and fields. What lets somebody into a group prints as dots.
extension Content: CustomStringConvertible, CustomDebugStringConvertible {
    public var description: String {
        switch self {
        case .phoneNumberRequest: return "phoneNumberRequest"
        case .phoneNumberShared: return "phoneNumberShared"
        case .empty: return "empty"
        default: return printed(self, without: ["groupInvite": "code"])
        }
    }

    public var debugDescription: String { "Content.\(self)" }
}

/// What lets somebody into a group prints as dots.
extension GroupInvitation: CustomStringConvertible, CustomDebugStringConvertible {
    public var description: String { "GroupInvitation(code: ..., expires: \(expires))" }
    public var debugDescription: String { description }
}

/// Prints nothing of what it holds.
extension PasskeySignature: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { "PasskeySignature(...)" }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: [:]) }
}

/// A case with its fields, as Swift prints it, but for the secret that a case has.
private func printed(_ value: Any, without secrets: [String: String]) -> String {
    guard let (label, fields) = Mirror(reflecting: value).children.first, let name = label else {
        return "\(type(of: value))"
    }
    let shown = Mirror(reflecting: fields).children.map { label, field in
        let label = label ?? "_"
        return "\(label): \(secrets[name] == label ? "..." : String(reflecting: field))"
    }
    return "\(name)(\(shown.joined(separator: ", ")))"
}
