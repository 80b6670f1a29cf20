//! WhatsApp's protobuf schemas as Rust types: one module per schema, no logic.
//!
//! Everything below `generated/` is written by `cargo xtask codegen` from the tables in docs/protocol and checked
//! in, so that a build needs neither protoc nor code generation. The schemas themselves are in `proto/`.
//!
//! - **Enums** are `i32` in the fields that hold them, and a value that we do not know stays what it was. Read one
//!   with `TryFrom<i32>`; the getter of the field's name falls back to the default when the value is unknown.
//! - **Unknown fields** are dropped by decoding. Keep the received bytes beside the message where they matter.
//! - **Required fields** are not enforced: one that is absent from the bytes decodes to its default.
//! - **Nesting** deeper than 100 messages is refused with an error, so no input exhausts the stack.
//! - **Debug** of messages and oneofs prints the type's name and nothing else (`Message { .. }`), because they hold
//!   texts and keys. Enums print their value.
//! - **Boxes** keep big messages small: in [`e2e::Message`], [`sync_action::SyncActionValue`] and a few others every
//!   optional message is behind one, and everywhere each field through which a message can hold itself.

/// Gives messages and oneofs a Debug that is safe to log: the type's name, without any content.
macro_rules! opaque_debug {
    ($($name:path),* $(,)?) => {
        $(impl ::core::fmt::Debug for $name {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.write_str(concat!(stringify!($name), " { .. }"))
            }
        })*
    };
}

/// What the phone signs about its companions: the identity of a device, the list of valid key indexes.
#[path = "generated/adv.rs"]
pub mod adv;
/// How an account attests that a chat is not end-to-end encrypted.
#[path = "generated/aea.rs"]
pub mod aea;
/// Metadata of conversations with AI bots; the current form, which [`e2e`] refers to.
#[path = "generated/ai_common.rs"]
pub mod ai_common;
/// Metadata of conversations with AI bots; an older copy of part of [`ai_common`].
#[path = "generated/bot_metadata.rs"]
pub mod bot_metadata;
/// The certificates that the server shows in the Noise handshake.
#[path = "generated/cert.rs"]
pub mod cert;
/// Settings of locked chats.
#[path = "generated/chat_lock_settings.rs"]
pub mod chat_lock_settings;
/// What several schemas share: message keys, mentions, limits on sharing.
#[path = "generated/common.rs"]
pub mod common;
/// What a new companion says about itself, and the payloads of pairing.
#[path = "generated/companion_reg.rs"]
pub mod companion_reg;
/// What a device of the account can do, as it tells the others.
#[path = "generated/device_capabilities.rs"]
pub mod device_capabilities;
/// The plaintext of messages: [`e2e::Message`] and all that it can hold.
#[path = "generated/e2e.rs"]
pub mod e2e;
/// The plaintext of messages to and from guests: a small cut of [`e2e`].
#[path = "generated/e2e_guest.rs"]
pub mod e2e_guest;
/// The timer of disappearing messages.
#[path = "generated/ephemeral.rs"]
pub mod ephemeral;
/// Messages of a group from before a member joined.
#[path = "generated/group_history.rs"]
pub mod group_history;
/// The blobs in which the phone sends chats, contacts and settings to a new companion.
#[path = "generated/history_sync.rs"]
pub mod history_sync;
/// Which LID belongs to which phone number, as the phone tells its companions.
#[path = "generated/lid_migration_sync_payload.rs"]
pub mod lid_migration_sync_payload;
/// Where the pieces of an uploaded medium are.
#[path = "generated/media_entry_data.rs"]
pub mod media_entry_data;
/// Asking for media to be uploaded again, and the answer.
#[path = "generated/mms_retry.rs"]
pub mod mms_retry;
/// Which parts of a message go into its reporting token.
#[path = "generated/reporting.rs"]
pub mod reporting;
/// Routing information that the server hands out for the next connection.
#[path = "generated/routing_info.rs"]
pub mod routing_info;
/// App state on the wire: patches, snapshots, encrypted records.
#[path = "generated/server_sync.rs"]
pub mod server_sync;
/// Where the content of a status comes from.
#[path = "generated/status_attributions.rs"]
pub mod status_attributions;
/// App state in plain: each action that the devices of an account share.
#[path = "generated/sync_action.rs"]
pub mod sync_action;
/// An app state snapshot that the phone sends in plain when a companion cannot recover otherwise.
#[path = "generated/syncd_snapshot_recovery.rs"]
pub mod syncd_snapshot_recovery;
/// Passwords of the user, transformed for storage.
#[path = "generated/user_password.rs"]
pub mod user_password;
/// Certificates of verified business names.
#[path = "generated/vname_cert.rs"]
pub mod vname_cert;
/// The messages of the Noise handshake, and the client payload inside it.
#[path = "generated/wa6.rs"]
pub mod wa6;
/// A message as a chat shows it: [`web::WebMessageInfo`], with receipts, reactions and its state.
#[path = "generated/web.rs"]
pub mod web;

/// Compiles decoding and encoding of the biggest messages in this crate. Nobody needs to call it.
///
/// Both are generic, so each crate and test that calls them would compile them again: 13 seconds for [`e2e::Message`]
/// and all that it can hold. What is named here is compiled once, and unoptimised builds share it, as long as they
/// decode from `&[u8]` and encode to `Vec<u8>`.
#[doc(hidden)]
pub fn compile_codecs_here(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), prost::DecodeError> {
    fn both<M: prost::Message + Default>(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), prost::DecodeError> {
        out.append(&mut M::decode(bytes)?.encode_to_vec());
        Ok(())
    }
    both::<e2e::Message>(bytes, out)?;
    both::<history_sync::HistorySync>(bytes, out)?;
    both::<sync_action::SyncActionData>(bytes, out)
}
