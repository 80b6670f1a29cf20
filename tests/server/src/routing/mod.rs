//! Where a stanza of a device goes, and how it gets there.
//!
//! | File | Subject |
//! |---|---|
//! | `message` | checks, acknowledges and fans out messages |
//! | `group`, `status` | messages with many receivers |
//! | `receipt`, `group_receipt` | receipts and acks |
//! | `presence` | presence, typing, calls |
//! | `delivery` | the queue of each device, the backlog after a login |
//! | `devices` | telling others that a device came or went |

mod delivery;
pub(crate) mod devices;
mod group;
mod group_receipt;
mod message;
mod presence;
mod receipt;
mod status;

use wa_core::wire::Node;

use crate::account::DeviceKey;
use crate::iq;
use crate::stanza::{Read, is_error, malformed};
use crate::state::State;

impl State {
    /// Handles one stanza of a device that is logged in, to its end.
    pub(crate) fn dispatch(&mut self, from: DeviceKey, node: &Node) {
        match node.tag.as_ref() {
            "iq" => {
                let answer = iq::answer(self, from, node);
                let is_refused = answer.as_ref().is_some_and(is_error);
                if let Some(answer) = answer {
                    self.transmit(from, answer);
                }
                if !is_refused {
                    iq::after(self, from, node);
                }
            }
            "message" => self.handle_message(from, node),
            "receipt" => self.handle_receipt(from, node),
            "ack" => self.handle_ack(from, node),
            "presence" => self.handle_presence(from, node),
            "chatstate" => self.handle_chatstate(from, node),
            "call" => self.handle_call(from, node),
            "ib" => self.handle_ib(from, node),
            "notification" | "stream:error" | "xmlstreamend" => {}
            _ => {
                tracing::warn!(tag = %node.tag, "unknown stanza");
                self.refuse_unknown(from, node);
            }
        }
    }

    fn handle_ib(&mut self, from: DeviceKey, node: &Node) {
        for child in node.nodes() {
            if child.tag == "offline_batch" {
                let count = child.attr_number("count").unwrap_or(0);
                self.send_backlog(from, usize::try_from(count).unwrap_or(usize::MAX));
            }
        }
    }

    fn refuse_unknown(&mut self, from: DeviceKey, node: &Node) {
        let answer = match node.attr_text("id") {
            Some(id) => {
                Node::new("ack").attr("class", node.tag.as_ref()).attr("id", id.as_ref()).attr("error", "488")
            }
            None => malformed(),
        };
        self.transmit(from, answer);
    }
}
