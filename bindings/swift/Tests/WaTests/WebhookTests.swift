import Foundation
import Wa
import XCTest

/// A delivery, signed beforehand as the documents say: there is no HMAC in Foundation.
final class WebhookTests: XCTestCase {
    private let secret = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
    private let other = "another secret of someone"
    private let body = Data(#"{"event":"message.received"}"#.utf8)
    private let headers = [
        "Webhook-Id": "msg_1",
        "Webhook-Timestamp": "1700000000",
        "Webhook-Signature": "v1,bxcqGkOYO44JnNk5T+Vsh9AeJQCstEn2LTe1GaYGmBM=",
    ]
    /// It was signed in 2023.
    private let century: TimeInterval = 100 * 365 * 86400

    func testADeliveryIsChecked() async throws {
        try verifyWebhook(headers: headers, body: body, secrets: [other, secret], tolerance: century)
        try verifyWebhook(headers: headers, body: body, secrets: [secret], tolerance: .infinity)

        func code(_ headers: [String: String], _ body: Data, _ secret: String, _ tolerance: TimeInterval?) async throws -> String {
            let error = try await failure {
                try verifyWebhook(headers: headers, body: body, secrets: [secret], tolerance: tolerance)
            }
            guard case .Invalid = error else { throw error }
            return error.code
        }
        let codes = [
            try await code(headers, body + Data(" ".utf8), secret, century),
            try await code(headers, body, other, century),
            try await code(headers, body, secret, nil),
            try await code(headers, body, secret, -1),
            try await code([:], body, secret, century),
            try await code(headers, body, "short", century),
        ]
        XCTAssertEqual(
            codes,
            [
                "webhook_signature", "webhook_signature", "webhook_time", "webhook_time", "webhook_header",
                "invalid_secret",
            ])
    }
}
