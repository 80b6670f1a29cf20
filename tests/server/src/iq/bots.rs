//! `bot`: there is one.

use wa_core::wire::Node;
use wa_types::Jid;

use super::Answer;

pub(super) fn answer(is_set: bool) -> Answer {
    if is_set {
        return Answer::Error(405);
    }
    let jid = Jid::new("867051314767696", wa_types::Server::Bot);
    let bot = Node::new("bot").attr("jid", jid).attr("persona_id", "867051314767696$760019659443059");
    Answer::one(Node::new("bot").child(Node::new("section").attr("type", "all").child(bot)))
}
