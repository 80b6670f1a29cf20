//! `bot`: which bots there are. Protocol: IQ catalogue, "Account and devices".

use wa_types::Jid;

use super::{IqKind, IqRequest};
use crate::stanza::{Reader, StanzaError};
use crate::wire::Node;

/// Asks which bots there are.
#[derive(Debug, Clone, Copy)]
pub struct FetchBots;

/// A bot that one can write to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bot {
    /// Its address.
    pub jid: Jid,
    /// The server's name for what it is.
    pub persona: Option<String>,
    /// The section of the list that it stands in: its `name`, else its `type`.
    pub section: Option<String>,
}

impl IqRequest for FetchBots {
    const NAMESPACE: &'static str = "bot";
    const KIND: IqKind = IqKind::Get;
    type Reply = Vec<Bot>;

    fn body(&self) -> Vec<Node> {
        vec![Node::new("bot").attr("v", "2")]
    }

    fn read(reply: Reader<'_>) -> Result<Vec<Bot>, StanzaError> {
        let mut bots = Vec::new();
        for section in reply.child("bot")?.children_of("section") {
            let text = |node: Reader<'_>, name: &'static str| {
                node.text_opt(name).map(std::borrow::Cow::into_owned).filter(|text| !text.is_empty())
            };
            let name = text(section, "name").or_else(|| text(section, "type"));
            bots.extend(section.children_of("bot").filter_map(|bot| {
                let jid = bot.jid_opt("jid").ok().flatten()?.to_user();
                Some(Bot { jid, persona: text(bot, "persona_id"), section: name.clone() })
            }));
        }
        Ok(bots)
    }
}
