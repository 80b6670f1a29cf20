//! Bytes to nodes and back.

use std::hint::black_box;

use criterion::Criterion;
use wa_core::wire::{self, Node};
use wa_types::Jid;

pub(crate) fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("wire");
    let stanzas = [
        ("ack", ack()),
        ("usync_50_users", usync(50)),
        ("group_500_participants", participants("group", 500, 0)),
        ("message_1000_recipients", participants("message", 1000, 180)),
    ];
    for (name, node) in &stanzas {
        let bytes = wire::encode(node).expect("the node has a form on the wire");
        let body = wire::unpack(&bytes).expect("it was just packed").into_owned();
        group.bench_function(format!("encode_{name}"), |bencher| {
            bencher.iter(|| wire::encode(black_box(node)));
        });
        group.bench_function(format!("decode_{name}"), |bencher| {
            bencher.iter(|| {
                wire::decode(black_box(&body)).map(|document| black_box(&document).root().has_content())
            });
        });
    }
    group.finish();
}

fn ack() -> Node {
    Node::new("ack")
        .attr("class", "message")
        .attr("id", "3EB0C127D7A6B4F2A1C0")
        .attr("from", Jid::lid("100000000000001"))
        .attr("t", "1794300000")
}

fn user(number: u64) -> Jid {
    Jid::lid((100_000_000_000_000 + number * 7919).to_string())
}

/// What the server answers when asked for the devices of so many users.
fn usync(users: u64) -> Node {
    let users = (0..users).map(|number| {
        let devices = (0..3u16).map(|id| {
            let device = Node::new("device").attr("id", u32::from(id));
            if id == 0 { device } else { device.attr("key-index", u32::from(id)) }
        });
        let devices = Node::new("devices")
            .child(Node::new("device-list").attr("hash", "2:HsXcLx0q").children(devices))
            .child(Node::new("key-index-list").attr("ts", "1794300000").bytes(vec![7; 110]));
        Node::new("user").attr("jid", user(number)).child(devices)
    });
    let list = Node::new("list").children(users);
    let usync = Node::new("usync").attr("sid", "wa-1794300000").attr("mode", "query").child(list);
    Node::new("iq").attr("type", "result").attr("id", "12345.67-8").child(usync)
}

/// A stanza that names so many devices, each with so many bytes of ciphertext.
fn participants(tag: &'static str, count: u64, bytes: usize) -> Node {
    let to = (0..count).map(|number| {
        if bytes == 0 {
            return Node::new("participant")
                .attr("jid", user(number))
                .attr("phone_number", Jid::pn(number.to_string()));
        }
        let enc = Node::new("enc").attr("v", "2").attr("type", "msg").bytes(vec![9; bytes]);
        Node::new("to").attr("jid", user(number).with_device(1)).child(enc)
    });
    let list = if bytes == 0 { "group_members" } else { "participants" };
    Node::new(tag).attr("id", "3EB0C127D7A6B4F2A1C0").attr("type", "text").child(Node::new(list).children(to))
}
