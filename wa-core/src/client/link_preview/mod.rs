//! Link previews, fetched from the page. Feature `link-preview`. Protocol: media, "Link previews".

mod fetch;
mod html;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::timeout;

pub use fetch::Route;

use self::fetch::{Address, Straight, read_body};
use super::Media;
use crate::error::MediaError;
use crate::media::MediaKind;
use crate::media::probe::{Picture, Thumbnail};
use crate::message::content::LinkPreview;
use crate::transport::https::HttpsClient;
use crate::transport::{Proxy, TlsRoots};

/// How long a preview may take, unless the caller says otherwise.
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// How much of a page is read; what it says of itself stands at its beginning.
const MAX_PAGE: u64 = 1 << 20;

/// How large a picture may be: in bytes, and in pixels.
const MAX_PICTURE: u64 = 5 << 20;
const MAX_PICTURE_PIXELS: u64 = 16_000_000;

/// The sides of the picture in the message, and of the one beside it.
const THUMBNAIL_SIDE: u32 = 100;
const PICTURE_SIDE: u32 = 800;

/// Fetches what pages say of themselves. Whoever runs a page learns our address, or that of the proxy, so nothing is
/// fetched unless it is asked for.
///
/// Only HTTP and HTTPS, at public addresses only: not this machine, not its network. The name of a host is looked up
/// here and its address checked, then connected to, on every redirect (five at most). Of a page 1 MiB is read, of its
/// picture at most 5 MiB and 16 million pixels. All is over after ten seconds.
#[derive(Debug, Clone)]
pub struct LinkPreviews {
    http: HttpsClient,
    route: Arc<dyn Route>,
    time_limit: Duration,
}

/// What a page says of itself.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct FetchedPreview {
    /// For a message, with the small picture if the page has one.
    pub link: LinkPreview,
    /// The same picture, up to 800 pixels wide and high: for the media hosts.
    pub picture: Option<Thumbnail>,
}

/// There is no preview. The text can be sent without.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinkPreviewError {
    /// The link, or what it leads to, is no address of the web, or has a user in it.
    #[error("the link cannot be fetched")]
    Url,
    /// The host has no address of the public internet. It was not connected to.
    #[error("the host is not on the public internet")]
    PrivateAddress,
    /// The host was not found, not reached, or broke off.
    #[error("the host was not reached")]
    Network(#[source] io::Error),
    /// It took too long.
    #[error("the host took too long")]
    Slow,
    /// The host sent us from one place to the next.
    #[error("too many redirects")]
    Redirects,
    /// The host has no such page, or does not give it to us.
    #[error("the host answers {status}")]
    Status {
        /// What it answered, such as 404.
        status: u16,
    },
    /// It is no HTML, or it has no title.
    #[error("the page says nothing of itself")]
    Nothing,
    /// The picture was not uploaded.
    #[error("the picture was not uploaded")]
    Upload(#[from] MediaError),
}

impl Default for LinkPreviews {
    fn default() -> Self {
        Self::new(&TlsRoots::mozilla())
    }
}

impl LinkPreviews {
    /// Trusts these roots, and goes straight to the hosts.
    #[must_use]
    pub fn new(roots: &TlsRoots) -> Self {
        Self { http: HttpsClient::new(roots), route: Arc::new(Straight::default()), time_limit: TIME_LIMIT }
    }

    /// Goes through this proxy. Names are looked up here nevertheless, and the proxy is told the address that was checked.
    #[must_use]
    pub fn with_proxy(self, proxy: Proxy) -> Self {
        self.with_route(Arc::new(Straight { proxy: Some(proxy) }))
    }

    /// Reaches hosts in another way. That does not change which of their addresses are good.
    #[must_use]
    pub fn with_route(mut self, route: Arc<dyn Route>) -> Self {
        self.route = route;
        self
    }

    /// How long a preview may take; ten seconds unless set.
    #[must_use]
    pub const fn with_time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// Fetches the preview of the first link in a text: one that begins with `https://` or `http://`. `None` if there is
    /// none. A page whose picture cannot be had has a preview without.
    ///
    /// # Errors
    /// [`LinkPreviewError`], but for `Upload`.
    ///
    /// Cancel safe: dropping the future ends the requests.
    pub async fn fetch(&self, text: &str) -> Result<Option<FetchedPreview>, LinkPreviewError> {
        let Some(link) = first_link(text) else { return Ok(None) };
        let fetched = timeout(self.time_limit, self.page(link)).await;
        fetched.map_err(|_| LinkPreviewError::Slow)?.map(Some)
    }

    async fn page(&self, link: &str) -> Result<FetchedPreview, LinkPreviewError> {
        let address = Address::parse(link)?;
        let (address, answer) = self.get(address, "text/html,application/xhtml+xml").await?;
        let kind = answer.header("content-type").unwrap_or("text/html").to_ascii_lowercase();
        if !kind.contains("html") {
            return Err(LinkPreviewError::Nothing);
        }
        let (page, _) = read_body(answer.body, MAX_PAGE).await.map_err(LinkPreviewError::Network)?;
        let page = if kind.contains("iso-8859-1") || kind.contains("windows-1252") {
            page.into_iter().map(char::from).collect::<String>().into_bytes()
        } else {
            page
        };
        let head = html::read(&page);
        let mut preview = LinkPreview::new(link).title(head.title.ok_or(LinkPreviewError::Nothing)?);
        preview.description = head.description;
        preview.is_video = head.is_video;
        let picture = match head.picture.and_then(|picture| address.join(&picture).ok()) {
            Some(picture) => self.picture(picture).await,
            None => None,
        };
        let Some((small, large)) = picture else {
            return Ok(FetchedPreview { link: preview, picture: None });
        };
        Ok(FetchedPreview { link: preview.thumbnail(small.jpeg), picture: Some(large) })
    }

    /// The picture of a page, small and large. A page can do without.
    async fn picture(&self, address: Address) -> Option<(Thumbnail, Thumbnail)> {
        let (_, answer) = self.get(address, "image/jpeg,image/png,image/webp").await.ok()?;
        let (file, is_whole) = read_body(answer.body, MAX_PICTURE).await.ok()?;
        if !is_whole {
            return None;
        }
        let made = spawn_blocking(move || {
            let picture = Picture::decode_up_to(&file, MAX_PICTURE_PIXELS).ok()?;
            Some((picture.thumbnail(THUMBNAIL_SIDE), picture.thumbnail(PICTURE_SIDE)))
        });
        made.await.ok()?
    }
}

impl Media {
    /// Fetches the preview of the first link in a text, and uploads its larger picture: for
    /// [`Message::link`](crate::Message::link). `None` if there is no link.
    ///
    /// # Errors
    /// [`LinkPreviewError`].
    pub async fn link_preview(
        &self,
        previews: &LinkPreviews,
        text: &str,
    ) -> Result<Option<LinkPreview>, LinkPreviewError> {
        let Some(FetchedPreview { link, picture }) = previews.fetch(text).await? else { return Ok(None) };
        let Some(Thumbnail { jpeg, width, height, .. }) = picture else { return Ok(Some(link)) };
        let file = self.upload(jpeg, MediaKind::LinkThumbnail).await?;
        Ok(Some(link.picture(file, width, height)))
    }
}

/// The first link, without what ends a sentence or a bracket.
fn first_link(text: &str) -> Option<&str> {
    text.split_whitespace().find_map(|word| {
        let word = word.trim_start_matches(['(', '[', '<', '"', '\'', '*', '_', '~']);
        let is_link = ["http://", "https://"]
            .iter()
            .any(|scheme| word.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)));
        let word =
            word.trim_end_matches(['.', ',', ';', ':', '!', '?', ')', ']', '>', '"', '\'', '*', '_', '~']);
        is_link.then_some(word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_link_of_a_text_is_found() {
        for (text, expected) in [
            ("see https://a.example/b?c=d, or http://e.example", Some("https://a.example/b?c=d")),
            ("(HTTP://a.example/)", Some("HTTP://a.example/")),
            ("*https://a.example*", Some("https://a.example")),
            ("a.example is no link, ftp://a.example neither", None),
            ("", None),
        ] {
            assert_eq!(first_link(text), expected, "{text}");
        }
    }
}
