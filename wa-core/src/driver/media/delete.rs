//! Deletes files that nobody needs any more. Protocol: history sync, "Deleting the blob".

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::Fetcher;
use super::exchange::{self, request};
use super::hosts::upload_names;
use super::upload::encoded;
use crate::error::MediaError;
use crate::media::{Attachment, upload_token};
use crate::transport::HttpMethod;

impl Fetcher {
    /// Deletes a file that our phone left for this device. `nonce` proves that it is ours to delete.
    ///
    /// # Errors
    /// [`MediaError`]: the file stays until the hosts drop it by themselves.
    pub(crate) async fn delete(&self, file: &Attachment, nonce: Option<&str>) -> Result<(), MediaError> {
        let hash = file.file_enc_sha256.as_ref().ok_or(MediaError::NoPlace)?;
        let place = file.direct_path.as_deref().ok_or(MediaError::NoPlace)?;
        let path = file.kind.upload_path().ok_or(MediaError::NotUploadable)?;
        let hosts = self.hosts.for_upload(None).await?;
        let host = upload_names(&hosts).next().ok_or(MediaError::NoPlace)?;
        let token = upload_token(hash);
        let place = URL_SAFE_NO_PAD.encode(place.split('?').next().unwrap_or_default());
        let mut url =
            format!("https://{host}{path}/{token}?token={token}&d_md={place}&auth={}", encoded(&hosts.auth));
        let mut secret = None;
        if let Some(handle) = &file.handle {
            url.push_str("&e_handle=");
            url.push_str(&encoded(handle));
            // It came from outside, and stands in the head of a request.
            secret = nonce.filter(|nonce| nonce.bytes().all(|byte| byte.is_ascii_graphic()));
        }
        let mut request = request(HttpMethod::Delete, &url);
        if let Some(secret) = secret {
            request = request.header("companion_user_secret", secret);
        }
        let response = exchange::send(&*self.http, request).await.map_err(MediaError::Network)?;
        match response.status {
            200..300 => Ok(()),
            status => Err(MediaError::Refused { status }),
        }
    }
}
