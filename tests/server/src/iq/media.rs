//! `w:m`: where media would be uploaded. Nothing listens there yet.

use wa_core::wire::Node;

use super::Answer;

pub(super) fn answer(iq: &Node) -> Answer {
    if iq.find("media_conn").is_none() {
        return Answer::Error(400);
    }
    Answer::one(
        Node::new("media_conn")
            .attr("auth", "test")
            .attr("ttl", 300_u32)
            .attr("auth_ttl", 21_600_u32)
            .attr("max_buckets", 12_u32)
            .attr("id", 1_u32)
            .child(Node::new("host").attr("hostname", "localhost").attr("type", "primary")),
    )
}
