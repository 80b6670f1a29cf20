//! Asking our phone to upload a file again, and its answer. The secrets are `media::retry`'s.
//! Protocol: media, "Media retry".

use wa_types::{Jid, MessageId};

use super::{Reader, StanzaError};
use crate::wire::Node;

/// The request: a receipt to our own account.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReuploadRequest {
    /// The message that has the file.
    pub id: MessageId,
    /// Our own account, without a device.
    pub to: Jid,
    /// Where the message is; absent for chunks of history.
    pub about: Option<FileMessage>,
    /// What is encrypted for the phone.
    pub ciphertext: Vec<u8>,
    /// And its nonce.
    pub nonce: [u8; 12],
}

/// Which chat a message with a file is in.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileMessage {
    /// The chat.
    pub chat: Jid,
    /// Whether our account wrote it.
    pub from_me: bool,
    /// Who wrote it, in groups, status and broadcasts.
    pub participant: Option<Jid>,
}

impl FileMessage {
    /// From its parts.
    #[must_use]
    pub const fn new(chat: Jid, from_me: bool, participant: Option<Jid>) -> Self {
        Self { chat, from_me, participant }
    }
}

impl ReuploadRequest {
    /// From its parts.
    #[must_use]
    pub fn new(
        id: MessageId,
        to: Jid,
        about: Option<FileMessage>,
        (ciphertext, nonce): (Vec<u8>, [u8; 12]),
    ) -> Self {
        Self { id, to, about, ciphertext, nonce }
    }

    /// The stanza.
    #[must_use]
    pub fn into_node(self) -> Node {
        let encrypt = Node::new("encrypt")
            .child(Node::new("enc_p").bytes(self.ciphertext))
            .child(Node::new("enc_iv").bytes(self.nonce));
        let node = Node::new("receipt").attr("id", self.id).attr("to", self.to).attr("type", "server-error");
        match self.about {
            None => node.attr("category", "peer").child(encrypt),
            Some(about) => node.child(encrypt).child(
                Node::new("rmr")
                    .attr("jid", about.chat)
                    .attr("from_me", if about.from_me { "true" } else { "false" })
                    .attr_opt("participant", about.participant),
            ),
        }
    }
}

/// The phone's answer: a notification.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReuploadAnswer {
    /// The message that has the file.
    pub id: MessageId,
    /// What the phone says.
    pub said: ReuploadSaid,
}

/// What an answer holds.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReuploadSaid {
    /// Encrypted for us.
    Encrypted {
        /// The ciphertext.
        ciphertext: Vec<u8>,
        /// Its nonce.
        nonce: [u8; 12],
    },
    /// Nothing but a code.
    Failed {
        /// The code; 0 when there is none.
        code: u16,
    },
}

impl ReuploadAnswer {
    /// Reads a `<notification type="mediaretry">`.
    ///
    /// # Errors
    /// [`StanzaError`] when a required part is missing or malformed.
    pub fn read(stanza: Reader<'_>) -> Result<Self, StanzaError> {
        let said = match stanza.child_opt("error") {
            Some(error) => {
                ReuploadSaid::Failed { code: error.number_opt("code").ok().flatten().unwrap_or(0) }
            }
            None => {
                let encrypt = stanza.child("encrypt")?;
                ReuploadSaid::Encrypted {
                    ciphertext: encrypt.child("enc_p")?.content().into_owned(),
                    nonce: encrypt.array("enc_iv")?,
                }
            }
        };
        Ok(Self { id: stanza.message_id()?, said })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire;

    fn read(node: &Node) -> Result<ReuploadAnswer, StanzaError> {
        let body = wire::encode(node).unwrap();
        let body = wire::unpack(&body).unwrap().into_owned();
        ReuploadAnswer::read(Reader::new(wire::decode_owned(body).unwrap().root()))
    }

    fn answer() -> Node {
        Node::new("notification").attr("type", "mediaretry").attr("id", "3EB0AA")
    }

    #[test]
    fn a_request_names_the_message_and_its_author_in_groups() {
        let about = FileMessage::new("120363@g.us".parse().unwrap(), false, Some(Jid::lid("99")));
        let request = ReuploadRequest::new(
            MessageId::new("3EB0AA"),
            Jid::pn("15550000001"),
            Some(about),
            (vec![1, 2], [3; 12]),
        );
        let node = request.clone().into_node();
        let about = node.find("rmr").unwrap();
        assert_eq!(about.get("from_me").unwrap().to_text(), "false");
        assert_eq!(about.get("participant").unwrap().to_jid().unwrap(), Jid::lid("99"));
        // As the phone's answer would have it.
        let secret = answer().child(node.find("encrypt").unwrap().clone());
        let said = ReuploadSaid::Encrypted { ciphertext: vec![1, 2], nonce: [3; 12] };
        assert_eq!(read(&secret).unwrap(), ReuploadAnswer { id: request.id.clone(), said });
        let history = ReuploadRequest { about: None, ..request }.into_node();
        assert_eq!(history.get("category").unwrap().to_text(), "peer");
        assert!(history.find("rmr").is_none());
    }

    #[test]
    fn an_answer_without_a_secret_has_a_code() {
        let failed = read(&answer().child(Node::new("error").attr("code", "2"))).unwrap();
        assert_eq!(failed.said, ReuploadSaid::Failed { code: 2 });
        assert!(read(&answer()).is_err());
        let short = Node::new("encrypt").child(Node::new("enc_p")).child(Node::new("enc_iv").bytes([1; 11]));
        assert!(read(&answer().child(short)).is_err());
    }
}
