//! Who is on WhatsApp: by phone number, and by user name.

use wa_types::{Jid, PhoneNumber};

use super::{envelope, error_of};
use crate::stanza::iq::business::VerifiedName;
use crate::stanza::iq::{IqKind, IqRequest};
use crate::stanza::{Reader, StanzaError};
use crate::wire::Node;

/// Asks which of these phone numbers have an account.
#[derive(Debug, Clone)]
pub struct LookUpNumbers {
    /// Any text; the server sends it back.
    pub sid: String,
    /// The numbers.
    pub numbers: Vec<PhoneNumber>,
}

/// Asks who has a user name.
#[derive(Clone)]
pub struct LookUpUsername {
    /// Any text; the server sends it back.
    pub sid: String,
    /// The user name, without an `@`.
    pub username: String,
    /// The key that the user set for being found, if they did.
    pub pin: Option<String>,
}

impl std::fmt::Debug for LookUpUsername {
    /// Without the name and its key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LookUpUsername").field("sid", &self.sid).finish_non_exhaustive()
    }
}

/// What became of one number or name.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LookedUp {
    /// The digits of the number, as far as the server repeats them.
    pub digits: String,
    /// What it is.
    pub found: Result<Option<FoundUser>, UserRefusal>,
}

/// A user that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FoundUser {
    /// The account, as the server addresses it.
    pub user: Jid,
    /// Its LID, where the server told it.
    pub lid: Option<Jid>,
    /// Its phone number, where the server told it.
    pub pn: Option<Jid>,
    /// Whether it is a business, and under which name it was verified.
    pub business: Option<VerifiedName>,
}

/// Why there is no answer about one of several users. The others' stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UserRefusal {
    /// No number that could be one.
    #[error("not a possible number")]
    Invalid,
    /// The server refused this one; 429 is worth a try later, 401 and 403 are the user's privacy.
    #[error("the server refused this user with code {code}")]
    Refused {
        /// The server's code; 0 when it gave none.
        code: u16,
    },
    /// The server said nothing about this one.
    #[error("the server said nothing about this user")]
    NoAnswer,
}

impl IqRequest for LookUpNumbers {
    const NAMESPACE: &'static str = "usync";
    const KIND: IqKind = IqKind::Get;
    /// The server counts them.
    const IDEMPOTENT: bool = false;
    type Reply = Vec<LookedUp>;

    fn body(&self) -> Vec<Node> {
        let users = self
            .numbers
            .iter()
            .map(|number| Node::new("user").child(Node::new("contact").text(format!("+{number}"))));
        let business = Node::new("business").child(Node::new("verified_name"));
        let query = Node::new("query").children([Node::new("contact"), Node::new("lid"), business]);
        vec![envelope(&self.sid, "interactive", query, users)]
    }

    fn read(reply: Reader<'_>) -> Result<Self::Reply, StanzaError> {
        read_answers(reply)
    }
}

impl IqRequest for LookUpUsername {
    const NAMESPACE: &'static str = "usync";
    const KIND: IqKind = IqKind::Get;
    /// The server counts them.
    const IDEMPOTENT: bool = false;
    type Reply = Option<LookedUp>;

    fn body(&self) -> Vec<Node> {
        let contact =
            Node::new("contact").attr("username", &self.username).attr_opt("pin", self.pin.as_ref());
        let user = Node::new("user").child(contact);
        let business = Node::new("business").child(Node::new("verified_name"));
        let asked = Node::new("contact").attr("addressing_mode", "lid");
        let query = Node::new("query").children([asked, Node::new("lid"), business]);
        vec![envelope(&self.sid, "interactive", query, [user].into_iter())]
    }

    fn read(reply: Reader<'_>) -> Result<Self::Reply, StanzaError> {
        Ok(read_answers(reply)?.into_iter().next())
    }
}

fn read_answers(reply: Reader<'_>) -> Result<Vec<LookedUp>, StanzaError> {
    let usync = reply.child("usync")?;
    let failed = usync.child_opt("result").and_then(|result| error_of(result.child_opt("contact")?));
    if let Some(code) = failed {
        return Err(StanzaError::Refused { part: "contact", code });
    }
    Ok(usync.child("list")?.children_of("user").filter_map(read_answer).collect())
}

/// `None` for an entry that says nothing of a contact.
fn read_answer(user: Reader<'_>) -> Option<LookedUp> {
    let contact = user.child_opt("contact")?;
    let digits = String::from_utf8_lossy(&contact.content()).trim_start_matches('+').to_owned();
    let found = match contact.text_opt("type").as_deref() {
        Some("in") => Ok(read_user(user)),
        Some("invalid") => Err(UserRefusal::Invalid),
        _ => match error_of(contact) {
            Some(code) => Err(UserRefusal::Refused { code }),
            None => Ok(None),
        },
    };
    Some(LookedUp { digits, found })
}

fn read_user(user: Reader<'_>) -> Option<FoundUser> {
    let jid = user.jid("jid").ok().filter(Jid::is_user)?.to_user();
    let lid = user.child_opt("lid").and_then(|lid| lid.jid_opt("val").ok().flatten());
    Some(FoundUser {
        lid: lid.filter(Jid::is_lid).or_else(|| Some(jid.clone()).filter(Jid::is_lid)),
        pn: user
            .jid_opt("pn_jid")
            .ok()
            .flatten()
            .filter(Jid::is_pn)
            .or_else(|| Some(jid.clone()).filter(Jid::is_pn)),
        business: user.child_opt("business").and_then(VerifiedName::of_business),
        user: jid,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stanza::reader::read_node;

    #[test]
    fn numbers_are_asked_for_as_contacts() {
        let number = PhoneNumber::new("15550001111").unwrap();
        let asked = LookUpNumbers { sid: "s".to_owned(), numbers: vec![number] }.to_node("1").to_xml();
        assert!(asked.contains("<contact>+15550001111</contact>"), "{asked}");
        assert!(asked.contains(r#"mode="query""#) && asked.contains(r#"context="interactive""#), "{asked}");
    }

    #[test]
    fn each_number_has_its_own_answer() {
        let contact =
            |kind: &'static str, text: &'static str| Node::new("contact").attr("type", kind).text(text);
        let users = [
            Node::new("user")
                .attr("jid", Jid::pn("15550001111"))
                .child(contact("in", "+15550001111"))
                .child(Node::new("lid").attr("val", Jid::lid("100"))),
            Node::new("user").child(contact("out", "+15550002222")),
            Node::new("user").child(contact("invalid", "+1")),
            Node::new("user").child(
                Node::new("contact").text("+15550003333").child(Node::new("error").attr("code", 429_u16)),
            ),
            Node::new("user").attr("jid", "undefined").child(contact("in", "+15550004444")),
            Node::new("user").attr("jid", Jid::pn("1")),
        ];
        let reply = Node::new("iq").child(Node::new("usync").child(Node::new("list").children(users)));
        let read = read_node(&reply, LookUpNumbers::read).unwrap();
        let found = read[0].found.clone().unwrap().unwrap();
        assert_eq!((found.lid, found.pn), (Some(Jid::lid("100")), Some(Jid::pn("15550001111"))));
        let others: Vec<_> = read[1..].iter().map(|one| (one.digits.as_str(), one.found.clone())).collect();
        let expected = [
            ("15550002222", Ok(None)),
            ("1", Err(UserRefusal::Invalid)),
            // An error stands where the number would.
            ("", Err(UserRefusal::Refused { code: 429 })),
            ("15550004444", Ok(None)),
        ];
        assert_eq!(others, expected);
    }

    #[test]
    fn a_refused_protocol_is_an_error() {
        let error = Node::new("contact").child(Node::new("error").attr("code", 503_u16));
        let usync = Node::new("usync").child(Node::new("result").child(error)).child(Node::new("list"));
        let read = read_node(&Node::new("iq").child(usync), LookUpNumbers::read);
        assert_eq!(read, Err(StanzaError::Refused { part: "contact", code: 503 }));
    }
}
