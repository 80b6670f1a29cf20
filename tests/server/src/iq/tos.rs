//! `tos`: terms that users accept. Nothing here depends on them. Protocol: IQ catalogue, "Account and devices".

use wa_core::wire::Node;

use super::Answer;

pub(super) fn answer(iq: &Node, is_set: bool) -> Answer {
    let asked = iq.find("request").unwrap_or(iq);
    let notices: Vec<Node> = asked
        .find_all("notice")
        .map(|notice| Node::new("notice").attr_opt("id", notice.get("id").cloned()).attr("state", "true"))
        .collect();
    if notices.is_empty() {
        return Answer::Error(400);
    }
    if is_set {
        Answer::DONE
    } else {
        Answer::one(Node::new("tos").attr("refresh", "86400").children(notices))
    }
}
