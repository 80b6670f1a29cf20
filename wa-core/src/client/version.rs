//! Which release the live service is at: the server refuses clients that say they are an old one.
//! Protocol: transport, "Application version".

use std::io;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;

use crate::noise::client_payload::ClientVersion;
use crate::transport::https::HttpsClient;
use crate::transport::{HttpClient, HttpMethod, HttpRequest, TlsRoots};

/// The page is the service worker of the web client; it is answered to browsers only.
const PAGE: &str = "https://web.whatsapp.com/sw.js";
const BROWSER: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/136.0.0.0 Safari/537.36";

const LIMIT: Duration = Duration::from_secs(20);
const PAGE_LIMIT: u64 = 4 << 20;

/// Asks the live service which release its web client is at. Worth keeping for a day.
///
/// # Errors
/// [`VersionError`]. Never a reason not to connect: [`ClientVersion::BUILT_IN`] may still be accepted.
///
/// Cancel safe: dropping the future closes the request.
pub async fn fetch_current() -> Result<ClientVersion, VersionError> {
    fetch_current_with(&HttpsClient::new(&TlsRoots::mozilla())).await
}

/// [`fetch_current`] with another HTTP client, for instance through a proxy.
///
/// # Errors
/// [`VersionError`].
pub async fn fetch_current_with(http: &dyn HttpClient) -> Result<ClientVersion, VersionError> {
    let page = tokio::time::timeout(LIMIT, fetch(http)).await.map_err(|_| VersionError::Timeout)??;
    read_revision(&page).map(ClientVersion::web).ok_or(VersionError::NoVersion)
}

/// Why the current release is not known.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VersionError {
    /// The service was not reached.
    #[error("the service was not reached")]
    Network(#[source] io::Error),
    /// The service answered with another status than 200.
    #[error("the service answered with status {0}")]
    Status(u16),
    /// No answer in time.
    #[error("no answer in time")]
    Timeout,
    /// The answer does not say which release it is of.
    #[error("the answer has no version")]
    NoVersion,
}

async fn fetch(http: &dyn HttpClient) -> Result<String, VersionError> {
    let request = HttpRequest::new(HttpMethod::Get, PAGE)
        .header("user-agent", BROWSER)
        .header("sec-fetch-site", "none");
    let response = http.send(request).await.map_err(VersionError::Network)?;
    if response.status != 200 {
        return Err(VersionError::Status(response.status));
    }
    let mut page = Vec::new();
    response.body.take(PAGE_LIMIT).read_to_end(&mut page).await.map_err(VersionError::Network)?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

/// The number behind `client_revision`, whose quotes may be escaped.
fn read_revision(page: &str) -> Option<u32> {
    let (_, rest) = page.split_once("client_revision")?;
    let digits = rest.trim_start_matches(['\\', '"', ':', ' ']);
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    digits.get(..end)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::read_revision;

    #[test]
    fn the_revision_is_found_in_plain_and_in_escaped_json() {
        assert_eq!(read_revision(r#"x"client_revision":1045649367,"y""#), Some(1_045_649_367));
        assert_eq!(read_revision(r#"{\"client_revision\": 1043,"#), Some(1043));
        assert_eq!(read_revision("client_revision: none"), None);
        assert_eq!(read_revision("nothing"), None);
    }
}
