//! `<call>`: calls begin, ring and end. Sound and pictures go other ways. Protocol: receiving, "Calls"; IQ catalogue,
//! "Calls".

use wa_types::{Jid, UnixSeconds};

use super::{Reader, StanzaError};
use crate::wire::Node;

/// One step of a call. `Debug` does not show the caller's name.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InboundCall {
    /// The stanza's id.
    pub id: String,
    /// The device that it comes from.
    pub from: Jid,
    /// When, by the server's clock.
    pub timestamp: UnixSeconds,
    /// The name that the caller goes by.
    pub push_name: Option<String>,
    /// The call.
    pub call_id: String,
    /// The device that began the call.
    pub creator: Jid,
    /// The caller's phone number, where it stands beside a LID.
    pub caller_pn: Option<Jid>,
    /// It waited on the server while we were away.
    pub is_offline: bool,
    /// What happened.
    pub signal: CallSignal,
}

impl std::fmt::Debug for InboundCall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InboundCall")
            .field("from", &self.from)
            .field("call_id", &self.call_id)
            .field("signal", &self.signal)
            .finish_non_exhaustive()
    }
}

/// What happened in a call.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallSignal {
    /// Somebody calls: it rings.
    Offer(CallOffer),
    /// There is a call that we may join, or one that was missed.
    Notice(CallOffer),
    /// A device got the offer, and rings.
    PreAccept,
    /// A device took the call.
    Accept,
    /// A device declined the call.
    Reject,
    /// The call ended, or rings no longer.
    Terminate {
        /// Why, by the server's word: `timeout`, `accepted_elsewhere`, `rejected_elsewhere`, …
        reason: Option<String>,
    },
    /// Anything else of a running call, by the server's name for it.
    Other(String),
}

/// A call that is offered.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallOffer {
    /// With pictures.
    pub is_video: bool,
    /// The group that is called.
    pub group: Option<Jid>,
    /// More than two may take part.
    pub is_group: bool,
}

impl InboundCall {
    /// Reads a `<call>`.
    ///
    /// # Errors
    /// [`StanzaError`] when sender, call or its creator are missing.
    pub fn read(stanza: Reader<'_>) -> Result<Self, StanzaError> {
        let child = stanza.children().next().ok_or_else(|| stanza.missing("offer"))?;
        let tag = child.node().tag();
        let signal = match &*tag.as_str() {
            "offer" => CallSignal::Offer(read_offer(child)),
            "offer_notice" => CallSignal::Notice(read_offer(child)),
            "preaccept" => CallSignal::PreAccept,
            "accept" => CallSignal::Accept,
            "reject" => CallSignal::Reject,
            "terminate" => {
                CallSignal::Terminate { reason: child.text_opt("reason").map(std::borrow::Cow::into_owned) }
            }
            other => CallSignal::Other(other.to_owned()),
        };
        let from = stanza.jid("from")?;
        Ok(Self {
            id: stanza.text("id")?.into_owned(),
            timestamp: stanza.time_opt("t").unwrap_or_default(),
            push_name: stanza
                .text_opt("notify")
                .filter(|name| !name.is_empty())
                .map(std::borrow::Cow::into_owned),
            call_id: child.text("call-id")?.into_owned(),
            creator: child.jid_opt("call-creator")?.unwrap_or_else(|| from.clone()),
            caller_pn: child.jid_opt("caller_pn").ok().flatten().filter(Jid::is_pn),
            is_offline: stanza.text_opt("offline").is_some(),
            signal,
            from,
        })
    }
}

fn read_offer(child: Reader<'_>) -> CallOffer {
    let group = child.jid_opt("group-jid").ok().flatten().filter(Jid::is_group);
    CallOffer {
        is_video: child.child_opt("video").is_some() || child.attr_is("media", "video"),
        is_group: group.is_some()
            || child.attr_is("type", "group")
            || child.child_opt("group_info").is_some(),
        group,
    }
}

/// The answer to a step of a call: a receipt to those that a device must know to have arrived, an ack to all others.
#[must_use]
pub fn answer(stanza: Reader<'_>, own: Option<&Jid>) -> Node {
    let child = stanza.children().next();
    let wants_receipt =
        child.filter(|child| ["offer", "accept", "reject", "enc_rekey"].iter().any(|tag| child.is(tag)));
    let Some(child) = wants_receipt else { return super::ack::for_stanza(stanza) };
    let attr = |node: Reader<'_>, name: &str| node.node().attr(name).map(crate::wire::Value::from);
    let step = Node::new(child.node().tag().to_smol().to_string())
        .attr_opt("call-id", attr(child, "call-id"))
        .attr_opt("call-creator", attr(child, "call-creator"));
    Node::new("receipt")
        .attr_opt("to", attr(stanza, "from"))
        .attr_opt("id", attr(stanza, "id"))
        .attr_opt("from", own)
        .child(step)
}

/// Declines a call.
#[must_use]
pub fn reject(id: &str, own: &Jid, call_id: &str, creator: &Jid) -> Node {
    let reject =
        Node::new("reject").attr("call-id", call_id).attr("call-creator", creator).attr("count", "0");
    Node::new("call").attr("id", id).attr("to", creator.to_user()).attr("from", own).child(reject)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stanza::reader::read_node;

    fn call(child: Node) -> Node {
        let child = child.attr("call-id", "C1").attr("call-creator", Jid::lid("100").with_device(2));
        Node::new("call")
            .attr("from", Jid::lid("100").with_device(2))
            .attr("id", "7")
            .attr("t", 5_u32)
            .child(child)
    }

    #[test]
    fn each_step_is_known_by_its_tag() {
        let group = Jid::new("1203", wa_types::Server::Group);
        let offer = |is_video, is_group, group| CallSignal::Offer(CallOffer { is_video, group, is_group });
        let cases = [
            (Node::new("offer").child(Node::new("audio")), offer(false, false, None)),
            (Node::new("offer").child(Node::new("video")), offer(true, false, None)),
            (Node::new("offer").attr("group-jid", &group), offer(false, true, Some(group))),
            (
                Node::new("offer_notice").attr("media", "video").attr("type", "group"),
                CallSignal::Notice(CallOffer { is_video: true, group: None, is_group: true }),
            ),
            (Node::new("preaccept"), CallSignal::PreAccept),
            (Node::new("accept"), CallSignal::Accept),
            (Node::new("reject"), CallSignal::Reject),
            (
                Node::new("terminate").attr("reason", "timeout"),
                CallSignal::Terminate { reason: Some("timeout".to_owned()) },
            ),
            (Node::new("relaylatency"), CallSignal::Other("relaylatency".to_owned())),
        ];
        for (child, expected) in cases {
            let read = read_node(&call(child), InboundCall::read).unwrap();
            assert_eq!((read.signal, read.call_id.as_str()), (expected, "C1"));
        }
        assert!(read_node(&Node::new("call").attr("from", Jid::lid("1")), InboundCall::read).is_err());
    }

    #[test]
    fn offers_get_a_receipt_and_all_else_an_ack() {
        let own = Jid::lid("200").with_device(1);
        let receipt = read_node(&call(Node::new("offer")), |stanza| answer(stanza, Some(&own)));
        let step =
            Node::new("offer").attr("call-id", "C1").attr("call-creator", Jid::lid("100").with_device(2));
        let expected = Node::new("receipt").attr("to", Jid::lid("100").with_device(2)).attr("id", "7");
        assert_eq!(receipt, expected.attr("from", &own).child(step));
        let ack = read_node(&call(Node::new("terminate")), |stanza| answer(stanza, Some(&own)));
        assert_eq!(ack.to_xml(), r#"<ack class="call" id="7" to="100:2@lid" type="terminate"/>"#);
    }
}
