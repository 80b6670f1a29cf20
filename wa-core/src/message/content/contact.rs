//! Contact cards.

use std::fmt::Write as _;

use wa_proto::e2e;
use wa_types::Jid;

use crate::message::Message;
use crate::message::read::opaque_debug;

/// One contact or several.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Contacts {
    /// What stands above several of them.
    pub name: Option<String>,
    /// The cards.
    pub cards: Vec<ContactCard>,
}

/// A contact's card.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ContactCard {
    /// The name that is shown.
    pub name: String,
    /// The card itself, a vCard.
    pub vcard: String,
}

opaque_debug!(Contacts, ContactCard);

impl ContactCard {
    /// A card with this name, and a vCard of the caller's.
    #[must_use]
    pub fn new(name: impl Into<String>, vcard: impl Into<String>) -> Self {
        Self { name: name.into(), vcard: vcard.into() }
    }

    /// A card with this name and the phone number of a user, from which a chat can be opened.
    #[must_use]
    pub fn of_number(name: impl Into<String>, number: &Jid) -> Self {
        let name = name.into();
        let mut escaped = String::with_capacity(name.len());
        for sign in name.chars() {
            match sign {
                '\\' | ',' | ';' => {
                    escaped.push('\\');
                    escaped.push(sign);
                }
                '\n' => escaped.push_str("\\n"),
                '\r' => {}
                _ => escaped.push(sign),
            }
        }
        let user = number.user();
        let mut vcard = String::from("BEGIN:VCARD\nVERSION:3.0\n");
        // Writing to a string cannot fail.
        let _ =
            write!(vcard, "N:;{escaped};;;\nFN:{escaped}\nTEL;type=CELL;type=VOICE;waid={user}:+{user}\n");
        vcard.push_str("END:VCARD");
        Self { name, vcard }
    }

    /// The users whose accounts the card names.
    #[must_use]
    pub fn accounts(&self) -> Vec<Jid> {
        let numbers = self.vcard.split("waid=").skip(1);
        let digits =
            numbers.map(|rest| rest.split(|sign: char| !sign.is_ascii_digit()).next().unwrap_or_default());
        digits.filter(|digits| !digits.is_empty()).map(Jid::pn).collect()
    }

    fn read(contact: &e2e::ContactMessage) -> Self {
        Self {
            name: contact.display_name.clone().unwrap_or_default(),
            vcard: contact.vcard.clone().unwrap_or_default(),
        }
    }

    fn into_proto(self) -> e2e::ContactMessage {
        e2e::ContactMessage { display_name: Some(self.name), vcard: Some(self.vcard), ..Default::default() }
    }
}

impl Contacts {
    /// These cards.
    #[must_use]
    pub fn new(cards: Vec<ContactCard>) -> Self {
        Self { name: None, cards }
    }

    pub(super) fn one(contact: &e2e::ContactMessage) -> Self {
        Self { name: None, cards: vec![ContactCard::read(contact)] }
    }

    pub(super) fn several(contacts: &e2e::ContactsArrayMessage) -> Self {
        Self {
            name: contacts.display_name.clone(),
            cards: contacts.contacts.iter().map(ContactCard::read).collect(),
        }
    }
}

impl From<ContactCard> for Message {
    fn from(card: ContactCard) -> Self {
        let contact = Some(Box::new(card.into_proto()));
        Self::from_proto(e2e::Message { contact_message: contact, ..Default::default() })
    }
}

impl From<Contacts> for Message {
    fn from(mut contacts: Contacts) -> Self {
        if contacts.cards.len() == 1 && contacts.name.is_none() {
            return contacts.cards.remove(0).into();
        }
        let name = contacts.name.unwrap_or_else(|| format!("{} contacts", contacts.cards.len()));
        let array = e2e::ContactsArrayMessage {
            display_name: Some(name),
            contacts: contacts.cards.into_iter().map(ContactCard::into_proto).collect(),
            ..Default::default()
        };
        Self::from_proto(e2e::Message { contacts_array_message: Some(Box::new(array)), ..Default::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_of_a_number_names_its_account() {
        let card = ContactCard::of_number("Ana; the \"Crew\", Ltd\nX", &Jid::pn("15550001"));
        assert_eq!(card.accounts(), [Jid::pn("15550001")]);
        assert!(card.vcard.contains("FN:Ana\\; the \"Crew\"\\, Ltd\\nX\n"), "{}", card.vcard);
        assert_eq!(ContactCard::new("x", "TEL;waid=:+1\nTEL;waid=77:+77").accounts(), [Jid::pn("77")]);
    }
}
