//! Media on the phone: real files, encrypted and decrypted; and files uploaded again for its companions.
//! Protocol: media, "Media retry".

use wa_core::crypto::{Random as _, SystemRandom};
use wa_core::media::cipher::CipherError;
use wa_core::media::retry::RetrySecret;
use wa_core::media::{Attachment, MediaKind, MediaMessage as _};
use wa_core::wire::Node;
use wa_proto::e2e::Message;
use wa_proto::mms_retry::MediaRetryNotification;
use wa_proto::mms_retry::media_retry_notification::ResultType;
use wa_types::Jid;

use super::Phone;
use crate::media::sealed;
use crate::stanza::Read;

/// What a phone says when a companion asks it to upload a file again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Reuploads {
    /// It uploads it.
    #[default]
    Given,
    /// That it has the file no more.
    Missing,
    /// An `<error>` with this code in place of an answer.
    Code(u16),
    /// An answer about another message.
    OtherMessage,
    /// An answer that was changed on the way.
    Corrupt,
    /// Nothing.
    Silent,
}

impl Phone {
    /// Encrypts a file with a new key and puts it onto the media hosts.
    #[must_use]
    pub fn upload(&self, kind: MediaKind, bytes: &[u8]) -> Attachment {
        sealed::upload(&mut self.hub.state(), kind, bytes)
    }

    /// Takes a file from the media hosts, verifies and decrypts it.
    ///
    /// # Errors
    /// What is wrong with the file; [`CipherError::TooShort`] when there is none.
    pub fn download(&self, file: &Attachment) -> Result<Vec<u8>, CipherError> {
        sealed::download(&self.hub.state(), file)
    }

    /// Chooses what it says when a companion asks it to upload a file again.
    pub fn set_reuploads(&self, reuploads: Reuploads) {
        self.lock().reuploads = reuploads;
    }

    /// A companion could not download the file of a message.
    pub(super) fn upload_again(&self, companion: &Jid, id: &str, receipt: &Node) {
        let (reuploads, message) = {
            let phone = self.lock();
            (phone.reuploads, phone.known.message(id))
        };
        if reuploads == Reuploads::Silent {
            return;
        }
        let mut notification = Node::new("notification")
            .attr("type", "mediaretry")
            .attr("id", id)
            .attr("from", companion.to_user())
            .attr("t", self.hub.state().now_seconds());
        if let Some(about) = receipt.find("rmr") {
            notification = notification.child(about.clone());
        }
        let failure = |code: u16| Node::new("error").attr("code", u32::from(code));
        let outcome = match (reuploads, message.as_ref().and_then(attachment_of)) {
            (Reuploads::Code(code), _) => failure(code),
            (_, None) => failure(2),
            (reuploads, Some(file)) => {
                self.answer_upload(reuploads, &file, id, receipt).unwrap_or_else(|| failure(3))
            }
        };
        let device = self.hub.state().device_key(companion);
        if let Some(device) = device {
            self.hub.state().deliver(device, notification.child(outcome));
        }
    }

    /// `None` when the request cannot be decrypted.
    fn answer_upload(
        &self,
        reuploads: Reuploads,
        file: &Attachment,
        id: &str,
        receipt: &Node,
    ) -> Option<Node> {
        let key = file.key.as_ref()?;
        let request = receipt.find("encrypt")?;
        let secret = RetrySecret::new(request.child_bytes("enc_p")?.to_vec(), request.child_array("enc_iv")?);
        secret.open_request(key, id).ok()?;
        let kept = file.direct_path.as_deref().and_then(|path| self.hub.state().media.kept(path));
        let direct_path = match (reuploads, kept) {
            (Reuploads::Missing, _) | (_, None) => None,
            (_, Some(bytes)) => Some(self.hub.state().media.put(bytes)),
        };
        let result = if direct_path.is_some() { ResultType::Success } else { ResultType::NotFound };
        let named = if reuploads == Reuploads::OtherMessage { "another" } else { id };
        let answer = MediaRetryNotification {
            stanza_id: Some(named.to_owned()),
            direct_path,
            result: Some(result.into()),
            message_secret: None,
        };
        let mut secret = RetrySecret::answer(key, id, SystemRandom.array(), &answer);
        if reuploads == Reuploads::Corrupt
            && let Some(byte) = secret.ciphertext.first_mut()
        {
            *byte ^= 1;
        }
        let encrypt = Node::new("encrypt")
            .child(Node::new("enc_p").bytes(secret.ciphertext))
            .child(Node::new("enc_iv").bytes(secret.nonce.to_vec()));
        Some(encrypt)
    }
}

/// The file of a message, if it has one.
fn attachment_of(message: &Message) -> Option<Attachment> {
    if let Some(image) = &message.image_message {
        return Some(image.attachment());
    }
    if let Some(video) = &message.video_message {
        return Some(video.attachment());
    }
    if let Some(video) = &message.ptv_message {
        return Some(video.attachment().with_kind(MediaKind::RoundVideo));
    }
    if let Some(audio) = &message.audio_message {
        return Some(audio.attachment());
    }
    if let Some(document) = &message.document_message {
        return Some(document.attachment());
    }
    Some(message.sticker_message.as_ref()?.attachment())
}
