//! The known answers of `tests/vectors/jid.json`.

use serde_json::Value;
use wa_types::{Jid, SignalAddress};

fn text<'a>(case: &'a Value, key: &str) -> &'a str {
    case[key].as_str().unwrap_or_else(|| panic!("{key} is missing in {case}"))
}

fn kind_of(jid: &Jid) -> &'static str {
    use wa_types::Server as S;
    match jid.server() {
        _ if jid.user().is_empty() => "server",
        S::Pn => "pn",
        S::Lid => "lid",
        S::Hosted => "hosted",
        S::HostedLid => "hosted_lid",
        S::LegacyPn => "legacy_pn",
        S::Group => "group",
        S::Broadcast if jid.is_status() => "status",
        S::Broadcast => "broadcast_list",
        S::Newsletter => "newsletter",
        S::Bot => "bot",
        S::Call => "call",
        S::Messenger => "messenger",
        S::Interop => "interop",
        _ => "other",
    }
}

fn check_parse(case: &Value) {
    let name = text(case, "name");
    let parsed = text(case, "input").parse::<Jid>();
    if case["ok"] == false {
        assert!(parsed.is_err(), "{name}");
        return;
    }
    let jid = parsed.unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(jid.user(), text(case, "user"), "{name}");
    assert_eq!(Some(u64::from(jid.device())), case["device"].as_u64(), "{name}");
    assert_eq!(jid.server().as_str(), text(case, "server"), "{name}");
    assert_eq!(kind_of(&jid), text(case, "type"), "{name}");
    assert_eq!(jid.to_string(), text(case, "string"), "{name}");
    assert_eq!(Some(jid.is_bot()), case["is_bot"].as_bool(), "{name}");
    if let Some(form) = case["phash_form"].as_str() {
        assert_eq!(jid.phash_form(), form, "{name}");
    }
}

fn check_session_address(case: &Value) {
    let name = text(case, "name");
    let jid: Jid = text(case, "input").parse().expect(name);
    let address = SignalAddress::from_jid(&jid).expect(name);
    assert_eq!(Some(u64::from(address.domain().number())), case["domain"].as_u64(), "{name}");
    let expected = format!("{}.{}", text(case, "address_name"), case["address_device"]);
    assert_eq!(address.to_string(), expected, "{name}");
    assert_eq!(address.to_jid(), jid, "{name}");
    assert_eq!(jid.server().folded().as_str(), text(case, "canonical_server"), "{name}");
}

#[test]
fn every_jid_vector_holds() {
    let folder = std::env::var_os("WA_VECTORS_DIR").map_or_else(
        || concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors").into(),
        std::path::PathBuf::from,
    );
    let file = std::fs::read(folder.join("jid.json")).expect("the vector file is there");
    let file: Value = serde_json::from_slice(&file).expect("it is JSON");
    let cases = file["cases"].as_array().expect("it has cases");
    assert!(!cases.is_empty(), "an empty set proves nothing");
    for case in cases {
        match text(case, "kind") {
            "parse" => check_parse(case),
            "user_jid" => {
                let jid: Jid = text(case, "input").parse().expect("a valid JID");
                assert_eq!(jid.to_user().to_string(), text(case, "expected"));
            }
            "session_address" => check_session_address(case),
            other => panic!("unknown case kind {other}"),
        }
    }
}

#[test]
fn an_agent_is_dropped_and_a_dot_in_a_lid_kept() {
    let pn: Jid = "15551234567.0:5@s.whatsapp.net".parse().expect("valid");
    assert_eq!(pn.to_string(), "15551234567:5@s.whatsapp.net");
    let lid: Jid = "1.2@lid".parse().expect("valid");
    assert_eq!(lid.user(), "1.2");
}

#[test]
fn debug_shows_four_digits_only() {
    let jid: Jid = "15551234567:5@s.whatsapp.net".parse().expect("valid");
    assert_eq!(format!("{jid:?}"), "…4567:5@s.whatsapp.net");
    let forged = Jid::new("a\nb", wa_types::Server::from_name("c\nd"));
    assert_eq!(format!("{forged:?}"), "a\\nb@c\\nd");
}
