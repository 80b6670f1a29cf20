//! `w:m`: which hosts serve media, and the token that they want. Protocol: media, "media_conn".

use wa_core::wire::Node;

use super::Answer;
use crate::state::State;

pub(super) fn answer(state: &mut State, iq: &Node) -> Answer {
    if iq.find("media_conn").is_none() {
        return Answer::Error(400);
    }
    let media = &mut state.media;
    media.asked += 1;
    let conn = Node::new("media_conn")
        .attr("auth", media.auth.clone())
        .attr("ttl", media.ttl)
        .attr("auth_ttl", 21_600_u32)
        .attr("max_buckets", 12_u32)
        .attr("id", media.asked);
    let kinds = ["image", "video", "audio", "document", "ptt", "sticker"];
    let host = |(index, name): (usize, &String)| {
        Node::new("host")
            .attr("hostname", name.clone())
            .attr("type", if index == 0 { "primary" } else { "fallback" })
            .child(Node::new("upload"))
            .child(Node::new("download").children(kinds.map(Node::new)))
    };
    Answer::one(conn.children(media.hosts.iter().enumerate().map(host)))
}
