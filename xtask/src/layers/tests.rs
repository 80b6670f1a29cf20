use super::*;
use crate::packages::Package;

fn faults(files: &[(&str, &str)]) -> Vec<String> {
    let files: Vec<SourceFile> = files
        .iter()
        .map(|(module, source)| SourceFile::new(module.split("::").map(str::to_owned).collect(), source))
        .collect();
    layer_faults(&files)
}

#[test]
fn a_name_from_a_higher_layer_is_found() {
    let cases = [
        ("noise::xx", "use crate::client::Client;"),
        ("noise::xx", "use crate::{crypto::aes, driver};"),
        ("noise::xx", "use super::super::client::Client;"),
        ("noise", "mod tests { use super::super::client::Client; }"),
        ("wire::node", "fn f() -> crate::stanza::Reader { todo!() }"),
        ("e2e::decrypt", "use crate::event::Event;"),
    ];
    for (module, source) in cases {
        assert_eq!(faults(&[(module, source)]).len(), 1, "{module}: {source}");
    }
}

#[test]
fn names_from_the_same_or_a_lower_layer_pass() {
    let cases = [
        ("noise::xx", "use crate::crypto::aes; use super::cipher; use wa_types::client;"),
        ("stanza", "mod tests { use super::message::Message; }"),
        ("stanza::iq::groups", "use super::super::message;"),
        ("connection", "use crate::{noise::xx, stanza::{iq, client}};"),
        ("client::chats", "use crate::driver::Command; use tokio::sync::mpsc;"),
        (
            "wire",
            "//! Below [`crate::client`].\n/* crate::client /* tokio */ */ const A: &str = \"tokio \\\" crate::client\";",
        ),
        ("wire", "const A: &str = r#\"tokio \" crate::client\"#; const B: char = '\"'; use crate::crypto;"),
    ];
    for (module, source) in cases {
        assert_eq!(faults(&[(module, source)]), Vec::<String>::new(), "{module}: {source}");
    }
}

#[test]
fn the_runtime_and_the_random_source_are_found_below_the_driver() {
    assert_eq!(faults(&[("signal", "use crate::crypto::{Random, SystemRandom};")]).len(), 1);
    assert_eq!(faults(&[("driver", "use crate::crypto::SystemRandom;")]), Vec::<String>::new());
    assert_eq!(faults(&[("connection", "use tokio::time::sleep;")]), ["connection: connection names tokio"]);
    assert_eq!(faults(&[("e2e", "#[tokio::test] async fn a() {}")]).len(), 1);
    assert_eq!(faults(&[("e2e", "use tokio_util::sync::CancellationToken;")]).len(), 1);
    assert_eq!(faults(&[("transport::tcp", "use tokio::net::TcpStream;")]), Vec::<String>::new());
}

#[test]
fn layers_side_by_side_may_not_name_each_other_both_ways() {
    let one_way = ("connection", "use crate::pairing::qr;");
    let back = ("pairing::qr", "use crate::connection::State;");
    assert_eq!(faults(&[one_way]), Vec::<String>::new());
    assert_eq!(faults(&[one_way, back]), ["connection and pairing stand side by side and name each other"]);
}

#[test]
fn a_module_without_a_place_is_found() {
    assert_eq!(faults(&[("utils", "")]), ["utils: `utils` has no place in xtask's list of layers"]);
}

#[test]
fn a_crate_that_needs_one_above_it_is_found() {
    let package = |name: &str, needed: &[&str]| Package {
        name: name.into(),
        version: "0.1.0".into(),
        folder: ".".into(),
        is_ours: true,
        dependencies: needed.iter().map(|&one| one.into()).collect(),
    };
    let good = [package("wa-types", &[]), package("wa-store", &["wa-types", "serde"])];
    assert_eq!(crate_faults(&good), Vec::<String>::new());
    let bad = [package("wa-types", &["wa-store"]), package("wa-store", &[])];
    assert_eq!(crate_faults(&bad), ["wa-types may not need wa-store"]);
    let test_only = [package("wa-core", &["wa-test-server"]), package("wa-test-server", &["wa-core"])];
    assert_eq!(crate_faults(&test_only), ["wa-core may not need wa-test-server"]);
}
