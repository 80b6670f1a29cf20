//! One page or picture, from public addresses only. Each address is checked after the name was looked up, and the very
//! address that was checked is connected to, for each redirect anew: what a name means to the next who asks is no matter.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};

use hyper::Uri;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpStream, lookup_host};

use super::html::MAX_URL;
use super::{LinkPreviewError, LinkPreviews};
use crate::transport::{HttpBody, HttpMethod, HttpRequest, HttpResponse, Proxy, TransportFuture, is_public};

/// How often a host may send us elsewhere.
const MAX_REDIRECTS: usize = 5;

/// How many addresses of a host are tried.
const MAX_ADDRESSES: usize = 3;

/// Pages have a preview for those who say that they make one.
const USER_AGENT: &str = "WhatsApp/2 wa";

/// How the hosts of pages are reached. It does not decide which: whatever address it finds for a name, only one of the
/// public internet is connected to.
pub trait Route: fmt::Debug + Send + Sync {
    /// Looks up the addresses of a host.
    ///
    /// # Errors
    /// Any I/O error.
    fn resolve<'a>(&'a self, host: &'a str) -> TransportFuture<'a, Vec<IpAddr>>;

    /// Connects to this address, which was checked; to no other.
    ///
    /// # Errors
    /// Any I/O error.
    fn connect(&self, address: SocketAddr) -> TransportFuture<'_, TcpStream>;
}

/// Straight to the host, or to its address through a proxy. Names are looked up here.
#[derive(Debug, Default)]
pub(super) struct Straight {
    pub(super) proxy: Option<Proxy>,
}

impl Route for Straight {
    fn resolve<'a>(&'a self, host: &'a str) -> TransportFuture<'a, Vec<IpAddr>> {
        Box::pin(async move { Ok(lookup_host((host, 0)).await?.map(|address| address.ip()).collect()) })
    }

    fn connect(&self, address: SocketAddr) -> TransportFuture<'_, TcpStream> {
        Box::pin(async move {
            match &self.proxy {
                Some(proxy) => proxy.connect(&address.ip().to_string(), address.port()).await,
                None => TcpStream::connect(address).await,
            }
        })
    }
}

/// A page's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address(Uri);

impl Address {
    /// HTTP and HTTPS only, without a user in it.
    pub(super) fn parse(url: &str) -> Result<Self, LinkPreviewError> {
        let url = url.split('#').next().unwrap_or_default();
        if url.len() > MAX_URL {
            return Err(LinkPreviewError::Url);
        }
        // Signs that people type, and no address has.
        let mut escaped = String::with_capacity(url.len());
        for byte in url.bytes() {
            if byte.is_ascii_graphic()
                && !matches!(byte, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}')
            {
                escaped.push(byte.into());
            } else {
                escaped.push_str(&format!("%{byte:02X}"));
            }
        }
        let uri: Uri = escaped.parse().map_err(|_| LinkPreviewError::Url)?;
        let is_web = matches!(uri.scheme_str(), Some("http" | "https"));
        let is_plain = uri.authority().is_some_and(|host| !host.as_str().contains(['@', '%']));
        let has_host = uri.host().is_some_and(|host| !host.is_empty());
        if is_web && is_plain && has_host { Ok(Self(uri)) } else { Err(LinkPreviewError::Url) }
    }

    /// What this one means in a page of this address.
    pub(super) fn join(&self, other: &str) -> Result<Self, LinkPreviewError> {
        let other = other.trim();
        let (scheme, host) = (self.0.scheme_str().unwrap_or_default(), self.0.authority());
        let host = host.map_or("", |host| host.as_str());
        let path = self.0.path();
        let end = other.find(['/', '?', '#']).unwrap_or(other.len());
        if other.get(..end).is_some_and(|start| start.contains(':')) {
            Self::parse(other)
        } else if other.starts_with("//") {
            Self::parse(&format!("{scheme}:{other}"))
        } else if other.starts_with('/') {
            Self::parse(&format!("{scheme}://{host}{other}"))
        } else if other.starts_with('?') || other.is_empty() {
            Self::parse(&format!("{scheme}://{host}{path}{other}"))
        } else {
            let folder = path.rfind('/').and_then(|end| path.get(..=end)).unwrap_or("/");
            Self::parse(&format!("{scheme}://{host}{folder}{other}"))
        }
    }

    fn host(&self) -> &str {
        self.0.host().unwrap_or_default().trim_matches(['[', ']'])
    }

    fn port(&self) -> u16 {
        self.0.port_u16().unwrap_or(if self.0.scheme_str() == Some("https") { 443 } else { 80 })
    }
}

impl LinkPreviews {
    /// Fetches what is there, over redirects, and says where it was in the end.
    pub(super) async fn get(
        &self,
        mut address: Address,
        accept: &str,
    ) -> Result<(Address, HttpResponse), LinkPreviewError> {
        for _ in 0..=MAX_REDIRECTS {
            let stream = self.connect(&address).await?;
            let request = HttpRequest::new(HttpMethod::Get, address.0.to_string())
                .header("accept", accept)
                .header("accept-encoding", "identity")
                .header("user-agent", USER_AGENT);
            let answer = self.http.send_over(stream, request).await.map_err(LinkPreviewError::Network)?;
            match (answer.status, answer.header("location")) {
                (200..=299, _) => return Ok((address, answer)),
                (301 | 302 | 303 | 307 | 308, Some(location)) => address = address.join(location)?,
                (status, _) => return Err(LinkPreviewError::Status { status }),
            }
        }
        Err(LinkPreviewError::Redirects)
    }

    /// Connects to a public address of the host.
    async fn connect(&self, address: &Address) -> Result<TcpStream, LinkPreviewError> {
        let host = address.host();
        let found = match host.parse::<IpAddr>() {
            Ok(literal) => vec![literal],
            Err(_) => self.route.resolve(host).await.map_err(LinkPreviewError::Network)?,
        };
        let mut failure = LinkPreviewError::PrivateAddress;
        for ip in found.into_iter().filter(|ip| is_public(*ip)).take(MAX_ADDRESSES) {
            match self.route.connect(SocketAddr::new(ip, address.port())).await {
                Ok(stream) => return Ok(stream),
                Err(error) => failure = LinkPreviewError::Network(error),
            }
        }
        Err(failure)
    }
}

/// The beginning of a body, up to so many bytes; and whether there was no more.
pub(super) async fn read_body(body: HttpBody, limit: u64) -> io::Result<(Vec<u8>, bool)> {
    let mut bytes = Vec::new();
    body.take(limit + 1).read_to_end(&mut bytes).await?;
    let length = usize::try_from(limit).unwrap_or(usize::MAX);
    let is_whole = bytes.len() <= length;
    bytes.truncate(length);
    Ok((bytes, is_whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(base: &str, other: &str) -> Option<String> {
        Address::parse(base).unwrap().join(other).ok().map(|address| address.0.to_string())
    }

    #[test]
    fn only_addresses_of_the_web_are_taken() {
        for url in [
            "ftp://a.example/",
            "file:///etc/passwd",
            "javascript:alert(1)",
            "data:text/html,x",
            "http://",
            "//a",
            "/a",
            "a.example",
            "http://user@a.example/",
            "http://user:pw@127.0.0.1/",
            "http://\u{E9}.example/",
            "",
        ] {
            assert!(matches!(Address::parse(url), Err(LinkPreviewError::Url)), "{url}");
        }
        let address = Address::parse("https://[2001:db8::1]:8443/caf\u{E9} au lait?<x>#part").unwrap();
        assert_eq!((address.host(), address.port()), ("2001:db8::1", 8443));
        assert_eq!(address.0.path_and_query().unwrap(), "/caf%C3%A9%20au%20lait?%3Cx%3E");
        assert_eq!(Address::parse("http://a.example").unwrap().port(), 80);
        assert!(Address::parse(&format!("http://a.example/{}", "x".repeat(MAX_URL))).is_err());
    }

    #[test]
    fn relative_addresses_are_joined() {
        let base = "https://a.example/b/c?d=1";
        for (other, expected) in [
            ("http://e.example/f", Some("http://e.example/f")),
            ("//e.example/f", Some("https://e.example/f")),
            ("/f?g", Some("https://a.example/f?g")),
            ("f.png", Some("https://a.example/b/f.png")),
            ("?h=2", Some("https://a.example/b/c?h=2")),
            ("f?u=http://x", Some("https://a.example/b/f?u=http://x")),
            ("ftp://e.example", None),
            ("javascript:x", None),
        ] {
            assert_eq!(joined(base, other).as_deref(), expected, "{other}");
        }
        assert_eq!(joined("http://a.example", "f").as_deref(), Some("http://a.example/f"));
    }
}
