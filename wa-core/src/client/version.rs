//! Which release the live service is at: the server refuses clients that say they are an old one.
//! Protocol: transport, "Application version".

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper::header::{HOST, HeaderValue, USER_AGENT};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::noise::client_payload::ClientVersion;

const HOST_NAME: &str = "web.whatsapp.com";

/// The page is the service worker of the web client; it is answered to browsers only.
const PAGE: &str = "/sw.js";
const BROWSER: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/136.0.0.0 Safari/537.36";

const LIMIT: Duration = Duration::from_secs(20);
const PAGE_LIMIT: usize = 4 << 20;

/// Asks the live service which release its web client is at. Worth keeping for a day.
///
/// # Errors
/// [`VersionError`]. Never a reason not to connect: [`ClientVersion::BUILT_IN`] may still be accepted.
///
/// Cancel safe: dropping the future closes the request.
pub async fn fetch_current() -> Result<ClientVersion, VersionError> {
    let page = tokio::time::timeout(LIMIT, fetch()).await.map_err(|_| VersionError::Timeout)??;
    read_revision(&page).map(ClientVersion::web).ok_or(VersionError::NoVersion)
}

/// Why the current release is not known.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VersionError {
    /// The service was not reached.
    #[error("the service was not reached")]
    Network(#[source] std::io::Error),
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

async fn fetch() -> Result<String, VersionError> {
    let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(network)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let tcp = TcpStream::connect((HOST_NAME, 443)).await.map_err(VersionError::Network)?;
    let name = ServerName::try_from(HOST_NAME).map_err(network)?;
    let stream = TlsConnector::from(Arc::new(tls)).connect(name, tcp).await.map_err(VersionError::Network)?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(network)?;
    let request = Request::get(PAGE)
        .header(HOST, HeaderValue::from_static(HOST_NAME))
        .header(USER_AGENT, HeaderValue::from_static(BROWSER))
        .header("sec-fetch-site", HeaderValue::from_static("none"))
        .body(Empty::<Bytes>::new())
        .map_err(network)?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(network)?;
        if response.status() != StatusCode::OK {
            return Err(VersionError::Status(response.status().as_u16()));
        }
        let body = Limited::new(response.into_body(), PAGE_LIMIT);
        let body =
            body.collect().await.map_err(|error| VersionError::Network(std::io::Error::other(error)))?;
        Ok(String::from_utf8_lossy(&body.to_bytes()).into_owned())
    };
    tokio::pin!(exchange);
    tokio::select! {
        page = &mut exchange => page,
        // The connection may end with the last byte of the answer: that is still read.
        _ = connection => exchange.await,
    }
}

fn network(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> VersionError {
    VersionError::Network(std::io::Error::other(error))
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
