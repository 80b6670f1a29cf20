//! `abt` and `w`: server properties. There are none, and they never change.

use wa_core::wire::Node;

use super::Answer;
use crate::stanza::Read;

pub(super) fn answer(iq: &Node) -> Answer {
    let Some(asked) = iq.find("props") else { return Answer::Error(400) };
    let protocol = asked.attr_text("protocol").unwrap_or_else(|| "1".into()).into_owned();
    Answer::one(
        Node::new("props")
            .attr("protocol", protocol)
            .attr("hash", PROPS_HASH)
            .attr("ab_key", "test")
            .attr("refresh", 86_400_u32)
            .attr("refresh_id", 1_u32)
            .children([]),
    )
}

/// The hash of the empty set of properties.
pub(crate) const PROPS_HASH: &str = "1OYEDsTS";
