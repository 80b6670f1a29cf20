//! What is said about people.

use wa_types::Jid;

use super::table::actions;

actions! {
    /// What is said about a person.
    ContactAction;

    /// Somebody is in the address book.
    Contact = "contact", CriticalUnblockLow, 2, contact_action;
    (
        /// The phone number.
        pn: Jid
    ) {
        /// The whole name.
        full_name: Option<String> = full_name,
        /// The first name.
        first_name: Option<String> = first_name,
        /// The LID.
        lid: Option<Jid> = lid_jid,
        /// Whether the phone's own address book has it, too.
        on_phone: Option<bool> = save_on_primary_addressbook,
        /// The phone number, once more.
        pn_too: Option<Jid> = pn_jid,
        /// The user's name of the service.
        username: Option<String> = username,
    }

    /// Somebody whose number is not known is in the address book.
    LidContact = "lid_contact", CriticalUnblockLow, 1, lid_contact_action;
    (
        /// The LID.
        lid: Jid
    ) {
        /// The whole name.
        full_name: Option<String> = full_name,
        /// The first name.
        first_name: Option<String> = first_name,
        /// The user's name of the service.
        username: Option<String> = username,
    }

    /// Somebody in an address book outside of the service.
    OutContact = "out_contact", RegularLow, 1, out_contact_action;
    (
        /// The entry.
        id: String
    ) {
        /// The whole name.
        full_name: Option<String> = full_name,
        /// The first name.
        first_name: Option<String> = first_name,
    }

    /// The phone number behind a LID.
    PhoneNumber = "pnForLidChat", Regular, 8, pn_for_lid_chat_action;
    (
        /// The LID.
        lid: Jid
    ) {
        /// The phone number.
        pn: Option<Jid> = pn_jid,
    }

    /// Whether a contact is hidden.
    Hidden = "contact_manager_metadata", RegularLow, 7, contact_manager_metadata_action;
    (
        /// The elements of the index, which nobody has described.
        rest: Vec<String>,
    ) {
        /// Whether it is.
        hidden: bool = is_hidden,
    }
}
