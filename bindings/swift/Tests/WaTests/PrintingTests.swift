import Foundation
import Wa
import XCTest

/// What a bot prints of what it does not handle is in its log.
final class PrintingTests: XCTestCase {
    func testWhatLinksAPhoneIsNotPrinted() {
        let (secret, at) = ("SECRET", Date(timeIntervalSince1970: 0))
        let events: [(Event, String)] = [
            (.pairingQr(text: secret, expiresIn: 20), "pairingQr(text: ..., expiresIn: 20.0)"),
            (.pairingCode(code: secret, expiresIn: 20), "pairingCode(code: ..., expiresIn: 20.0)"),
            (.passkeyChallenge(options: secret), "passkeyChallenge(options: ...)"),
            (.passkeyCode(code: secret, isAsked: true), "passkeyCode(code: ..., isAsked: true)"),
        ]
        for (event, printed) in events {
            XCTAssertEqual("\(event)", printed)
            XCTAssertEqual("\([event])", "[Event.\(printed)]")
        }
        let updates: [PairingUpdate] = [
            .qr(text: secret, expiresAt: at), .code(code: secret, expiresAt: at), .passkeyChallenge(options: secret),
            .passkeyConfirm(code: secret, isAsked: true),
        ]
        for update in updates {
            for printed in ["\(update)", "\([update])"] {
                XCTAssertTrue(printed.contains("...") && !printed.contains(secret), printed)
            }
        }
        let invitation = GroupInvitation(code: secret, expires: at)
        XCTAssertEqual("\([invitation])", "[GroupInvitation(code: ..., expires: 1970-01-01 00:00:00 +0000)]")
        let invite = Content.groupInvite(group: "1@g.us", code: secret, name: "Crew", expires: nil, caption: nil)
        let shown = #"groupInvite(group: "1@g.us", code: ..., name: "Crew", expires: nil, caption: nil)"#
        XCTAssertEqual("\(invite)", shown)
        XCTAssertEqual("\([invite])", "[Content.\(shown)]")
        let signature = PasskeySignature(credentialId: Data([7]), assertion: secret)
        var dumped = ""
        dump(signature, to: &dumped)
        for printed in ["\(signature)", "\([signature])", dumped] {
            XCTAssertFalse(printed.contains(secret) || printed.contains("7"), printed)
        }
    }

    func testTheRestIsPrinted() {
        XCTAssertEqual("\(Event.connected)", "connected")
        XCTAssertEqual("\([Event.connected])", "[Event.connected]")
        XCTAssertEqual("\(Event.passkeyFailed(code: "a", reason: "b"))", #"passkeyFailed(code: "a", reason: "b")"#)
        XCTAssertEqual(
            "\(Event.reuploaded(chat: "a", id: "b", place: "p"))", #"reuploaded(chat: "a", id: "b", place: ...)"#)
        XCTAssertEqual("\(Content.empty)", "empty")
        let bare: [Content] = [.phoneNumberRequest, .phoneNumberShared]
        XCTAssertEqual("\(bare)", "[Content.phoneNumberRequest, Content.phoneNumberShared]")
        XCTAssertEqual("\(Content.text(text: "a", link: nil))", #"text(text: "a", link: nil)"#)
        XCTAssertEqual("\(Content.memberLabel(label: "a"))", #"memberLabel(label: "a")"#)
        XCTAssertEqual("\(PairingUpdate.accepted)", "accepted")
        XCTAssertEqual(
            "\(PairingUpdate.codeRefused(code: "rate", retryAfter: nil))", #"codeRefused(code: "rate", retryAfter: nil)"#)
    }
}
