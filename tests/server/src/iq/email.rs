//! `urn:xmpp:whatsapp:account`: the e-mail address behind an account.

use wa_core::wire::Node;

use super::Answer;
use crate::account::DeviceKey;
use crate::people::Email;
use crate::stanza::Read;
use crate::state::State;

pub(super) fn answer(state: &mut State, from: DeviceKey, iq: &Node, is_set: bool) -> Answer {
    let code = state.new_code();
    let Some(account) = state.accounts.get_mut(from.account) else { return Answer::Error(404) };
    let known = &mut account.people.email;
    let Some(asked) = iq.nodes().first() else { return Answer::Error(400) };
    let text = |name: &str| asked.find(name).and_then(|part| part.content_text().map(str::to_owned));
    match (asked.tag.as_ref(), is_set) {
        ("email", false) => {
            let email = known.iter().flat_map(|email| {
                let address = Node::new("email_address").text(email.address.as_str());
                std::iter::once(address).chain(email.is_verified.then(|| Node::new("verified")))
            });
            Answer::one(email.fold(Node::new("email"), Node::child))
        }
        ("email", true) => match text("email_address").filter(|address| address.contains('@')) {
            Some(address) => {
                *known = Some(Email { address, is_verified: false, code: None });
                Answer::DONE
            }
            None => Answer::Error(403),
        },
        ("verify_email", true) => match (known, text("code")) {
            (None, _) => Answer::Error(404),
            (Some(email), None) => {
                email.code = Some(code);
                Answer::DONE
            }
            (Some(email), given) if given == email.code => {
                email.is_verified = true;
                Answer::DONE
            }
            _ => Answer::Error(536),
        },
        ("confirm_email", true) if known.as_ref().is_some_and(|email| email.is_verified) => Answer::DONE,
        _ => Answer::Error(400),
    }
}
