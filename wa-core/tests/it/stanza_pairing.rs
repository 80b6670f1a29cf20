//! What is said while a device is linked by code or with a passkey.

use wa_core::stanza::iq::IqRequest as _;
use wa_core::stanza::iq::md::code::{CompanionFinish, CompanionHello};
use wa_core::stanza::iq::md::passkey::{
    CompanionNonce, EncryptedRequest, PasskeyOptions, PasskeyPrologue, PasskeyReference,
};
use wa_core::stanza::notification::Notification;
use wa_core::stanza::pairing::PairingNotice;
use wa_core::stanza::{Reader, StanzaError};
use wa_core::wire::{self, Node};
use wa_types::{Jid, PublicKey};

fn with<T>(node: &Node, read: impl FnOnce(Reader<'_>) -> T) -> T {
    let bytes = wire::encode(node).unwrap();
    let body = wire::unpack(&bytes).unwrap();
    let document = wire::decode(&body).unwrap();
    read(Reader::new(document.root()))
}

fn notice(node: &Node) -> Result<Option<PairingNotice>, StanzaError> {
    with(node, |reader| match Notification::read(reader)? {
        Notification::Pairing(notice) => Ok(Some(notice)),
        _ => Ok(None),
    })
}

fn notification(kind: &'static str) -> Node {
    Node::new("notification").attr("type", kind).attr("from", Jid::SERVER).attr("id", "1")
}

#[test]
fn a_code_is_announced_and_finished_in_the_servers_words() {
    let jid = Jid::pn("15551234567");
    let hello = CompanionHello {
        jid: jid.clone(),
        wrapped_key: [1; 80],
        noise_key: PublicKey::new([2; 32]),
        platform_id: "1",
        platform_display: "Chrome (Linux)".to_owned(),
        notifies: true,
    }
    .to_node("7");
    let stage = hello.find("link_code_companion_reg").unwrap();
    assert_eq!(stage.get("stage").unwrap().to_text(), "companion_hello");
    assert_eq!(stage.get("should_show_push_notification").unwrap().to_text(), "true");
    let content = |node: &Node, tag: &str| node.find(tag).unwrap().content_bytes().unwrap().to_vec();
    assert_eq!(content(stage, "link_code_pairing_wrapped_companion_ephemeral_pub"), [1; 80]);
    assert_eq!(content(stage, "companion_server_auth_key_pub"), [2; 32]);
    assert_eq!(content(stage, "companion_platform_id"), b"1");
    assert_eq!(content(stage, "companion_platform_display"), b"Chrome (Linux)");
    assert_eq!(content(stage, "link_code_pairing_nonce"), [0]);

    let finish = CompanionFinish {
        jid,
        bundle: [3; 156],
        identity: PublicKey::new([4; 32]),
        reference: b"ref".to_vec(),
    }
    .to_node("8");
    let stage = finish.find("link_code_companion_reg").unwrap();
    assert_eq!(stage.get("stage").unwrap().to_text(), "companion_finish");
    assert_eq!(content(stage, "link_code_pairing_wrapped_key_bundle"), [3; 156]);
    assert_eq!(content(stage, "companion_identity_public"), [4; 32]);
    assert_eq!(content(stage, "link_code_pairing_ref"), b"ref");

    let reference = Node::new("link_code_pairing_ref").bytes(b"ref".as_slice());
    let stage = Node::new("link_code_companion_reg").child(reference);
    let answer = Node::new("iq").attr("type", "result").child(stage);
    assert_eq!(with(&answer, CompanionHello::read).unwrap(), b"ref");
    let empty = Node::new("iq").child(Node::new("link_code_companion_reg"));
    assert!(with(&empty, CompanionHello::read).is_err());
}

#[test]
fn a_passkeys_parts_have_a_stanza_each() {
    let parts = [
        (PasskeyOptions.to_node("1"), "get", "passkey_request_options"),
        (PasskeyReference.to_node("2"), "get", "ref"),
        (CompanionNonce([5; 32]).to_node("3"), "set", "companion_nonce"),
        (EncryptedRequest(vec![6]).to_node("4"), "set", "encrypted_pairing_request"),
    ];
    for (node, kind, tag) in parts {
        assert_eq!(node.get("type").unwrap().to_text(), kind);
        assert_eq!(node.get("xmlns").unwrap().to_text(), "md");
        assert!(node.find(tag).is_some(), "{tag}");
    }
    for proof in [None, Some([7; 32])] {
        let prologue = PasskeyPrologue {
            credential_id: vec![1],
            assertion: "{}".to_owned(),
            payload: vec![2],
            handoff_proof: proof,
        };
        let node = prologue.to_node("5");
        let node = node.find("passkey_prologue").unwrap();
        let sent = node.find("pairing_handoff_proof").and_then(Node::content_bytes);
        assert_eq!(sent, proof.as_ref().map(<[u8; 32]>::as_slice));
    }
    let answer = |bytes: &[u8]| Node::new("iq").child(Node::new("ref").bytes(bytes));
    assert_eq!(with(&answer(b"text"), PasskeyReference::read).unwrap(), "text");
    assert!(with(&answer(b""), PasskeyReference::read).is_err());
    assert!(with(&answer(b"\xff"), PasskeyReference::read).is_err());
}

#[test]
fn notices_are_read_and_malformed_ones_refused() {
    let stage = |stage: &'static str| Node::new("link_code_companion_reg").attr("stage", stage);
    let reference = || Node::new("link_code_pairing_ref").bytes(b"ref".as_slice());
    let wrapped =
        |size: usize| Node::new("link_code_pairing_wrapped_primary_ephemeral_pub").bytes(vec![1; size]);
    let identity = || Node::new("primary_identity_pub").bytes(vec![2; 32]);
    let code = |child: Node| notification("link_code_companion_reg").child(child);

    let hello = code(stage("primary_hello").child(reference()).child(wrapped(80)).child(identity()));
    assert_eq!(
        notice(&hello),
        Ok(Some(PairingNotice::PrimaryHello {
            reference: b"ref".to_vec(),
            wrapped_key: Box::new([1; 80]),
            identity: PublicKey::new([2; 32]),
        }))
    );
    let short = code(stage("primary_hello").child(reference()).child(wrapped(79)).child(identity()));
    assert!(notice(&short).is_err());
    assert!(notice(&code(stage("primary_hello"))).is_err());
    assert!(notice(&notification("link_code_companion_reg")).is_err());
    assert_eq!(notice(&code(stage("tomorrow"))), Ok(None));
    for (text, by_user) in [("true", true), ("false", false)] {
        let refresh = stage("refresh_code").attr("force_manual_refresh", text).child(reference());
        let expected = PairingNotice::RefreshCode { reference: b"ref".to_vec(), by_user };
        assert_eq!(notice(&code(refresh)), Ok(Some(expected)));
    }

    for tag in ["companion_reg_refresh", "pair-device-rotate-qr"] {
        let rotate = notification("companion_reg_refresh").child(Node::new(tag));
        assert_eq!(notice(&rotate), Ok(Some(PairingNotice::RotateQr)));
    }
    assert_eq!(notice(&notification("companion_reg_refresh")), Ok(None));

    let asked = notification("passkey_prologue_request");
    assert_eq!(notice(&asked), Ok(Some(PairingNotice::PasskeyRequest { options: None })));
    let asked = asked.child(Node::new("passkey_request_options").bytes(b"{}".as_slice()));
    let expected = PairingNotice::PasskeyRequest { options: Some("{}".to_owned()) };
    assert_eq!(notice(&asked), Ok(Some(expected)));
    assert!(notice(&notification("crsc_continuation")).is_err());
}
