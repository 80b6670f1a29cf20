//! Connections through an HTTP CONNECT or a SOCKS5 proxy. The proxy is told the name of the host and looks it up
//! itself; what goes through is TLS, so it sees no more than that. RFC 9110 (9.3.6), RFC 1928, RFC 1929.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use zeroize::Zeroizing;

/// The longest answer of an HTTP proxy that is read.
const HEAD_LIMIT: usize = 8 << 10;

/// A proxy, parsed from `http://user:password@host:port` or `socks5://user:password@host:port`. Name and password may
/// be left out; special characters in them are percent-encoded. `socks5h` is the same as `socks5`.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    kind: Kind,
    host: String,
    port: u16,
    credentials: Option<Credentials>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Http,
    Socks5,
}

#[derive(Clone, PartialEq, Eq)]
struct Credentials {
    user: String,
    password: Zeroizing<String>,
}

impl Proxy {
    /// Connects to the host through this proxy. The proxy's own failure is told apart by [`ProxyRefusal`], which is the
    /// inner error then.
    pub(crate) async fn connect(&self, host: &str, port: u16) -> io::Result<TcpStream> {
        let mut stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        stream.set_nodelay(true)?;
        match self.kind {
            Kind::Http => self.connect_http(&mut stream, host, port).await?,
            Kind::Socks5 => self.connect_socks(&mut stream, host, port).await?,
        }
        Ok(stream)
    }

    async fn connect_http(&self, stream: &mut TcpStream, host: &str, port: u16) -> io::Result<()> {
        let host = match host.parse::<Ipv6Addr>() {
            Ok(address) => format!("[{address}]"),
            Err(_) => host.to_owned(),
        };
        let mut request =
            Zeroizing::new(format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n"));
        if let Some(Credentials { user, password }) = &self.credentials {
            let pair = Zeroizing::new(format!("{user}:{}", password.as_str()));
            request.push_str("Proxy-Authorization: Basic ");
            request.push_str(&Zeroizing::new(STANDARD.encode(pair.as_bytes())));
            request.push_str("\r\n");
        }
        request.push_str("\r\n");
        stream.write_all(request.as_bytes()).await?;
        // Byte by byte: what follows the head is of the connection already.
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if head.len() >= HEAD_LIMIT {
                return Err(ProxyRefusal::Malformed.into());
            }
            head.push(stream.read_u8().await?);
        }
        let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
        let mut words = line.split(|byte| *byte == b' ');
        let is_http = words.next().is_some_and(|word| word.starts_with(b"HTTP/1."));
        let status = words.next().and_then(|word| std::str::from_utf8(word).ok()?.parse::<u16>().ok());
        match status.filter(|_| is_http) {
            Some(200..=299) => Ok(()),
            Some(407) => Err(ProxyRefusal::Credentials.into()),
            Some(status) => Err(ProxyRefusal::Status(status).into()),
            None => Err(ProxyRefusal::Malformed.into()),
        }
    }

    async fn connect_socks(&self, stream: &mut TcpStream, host: &str, port: u16) -> io::Result<()> {
        const VERSION: u8 = 5;
        const NO_AUTH: u8 = 0;
        const PASSWORD: u8 = 2;
        let offer: &[u8] = match &self.credentials {
            None => &[VERSION, 1, NO_AUTH],
            Some(_) => &[VERSION, 2, NO_AUTH, PASSWORD],
        };
        stream.write_all(offer).await?;
        let [version, method] = read(stream).await?;
        match (version, method, &self.credentials) {
            (VERSION, NO_AUTH, _) => {}
            (VERSION, PASSWORD, Some(credentials)) => credentials.present(stream).await?,
            (VERSION, _, _) => return Err(ProxyRefusal::Credentials.into()),
            _ => return Err(ProxyRefusal::Malformed.into()),
        }
        let mut request = vec![VERSION, 1, 0];
        match host.parse::<IpAddr>() {
            Ok(IpAddr::V4(address)) => {
                request.push(1);
                request.extend(address.octets());
            }
            Ok(IpAddr::V6(address)) => {
                request.push(4);
                request.extend(address.octets());
            }
            Err(_) => {
                request.extend([3, length(host)?]);
                request.extend(host.bytes());
            }
        }
        request.extend(port.to_be_bytes());
        stream.write_all(&request).await?;
        let [version, code, _, address] = read(stream).await?;
        if version != VERSION {
            return Err(ProxyRefusal::Malformed.into());
        }
        if code != 0 {
            return Err(ProxyRefusal::Status(u16::from(code)).into());
        }
        let address_len = match address {
            1 => 4,
            4 => 16,
            3 => usize::from(stream.read_u8().await?),
            _ => return Err(ProxyRefusal::Malformed.into()),
        };
        let mut bound = vec![0; address_len + 2];
        stream.read_exact(&mut bound).await?;
        Ok(())
    }
}

impl Credentials {
    async fn present(&self, stream: &mut TcpStream) -> io::Result<()> {
        let mut request = Zeroizing::new(vec![1, length(&self.user)?]);
        request.extend(self.user.bytes());
        request.push(length(&self.password)?);
        request.extend(self.password.bytes());
        stream.write_all(&request).await?;
        match read(stream).await? {
            [_, 0] => Ok(()),
            [_, _] => Err(ProxyRefusal::Credentials.into()),
        }
    }
}

async fn read<const N: usize>(stream: &mut TcpStream) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

fn length(text: &str) -> io::Result<u8> {
    u8::try_from(text.len()).map_err(|_| io::ErrorKind::InvalidInput.into())
}

impl FromStr for Proxy {
    type Err = ProxyUrlError;

    fn from_str(url: &str) -> Result<Self, ProxyUrlError> {
        let (scheme, rest) = url.split_once("://").ok_or(ProxyUrlError::Malformed)?;
        let (kind, default_port) = match scheme.to_ascii_lowercase().as_str() {
            "http" => (Kind::Http, 8080),
            "socks5" | "socks5h" => (Kind::Socks5, 1080),
            _ => return Err(ProxyUrlError::Scheme),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (credentials, place) = match rest.rsplit_once('@') {
            None => (None, rest),
            Some((credentials, place)) => {
                let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
                let (user, password) = (percent_decoded(user)?, Zeroizing::new(percent_decoded(password)?));
                (Some(Credentials { user, password }), place)
            }
        };
        let (host, port) = match place.rsplit_once(':') {
            // The colons of an IPv6 address are inside its brackets.
            Some((host, port)) if !port.contains(']') => {
                (host, port.parse().map_err(|_| ProxyUrlError::Malformed)?)
            }
            _ => (place, default_port),
        };
        let host = host.trim_matches(['[', ']']);
        if host.is_empty() || host.contains(['/', '?', '#', ' ']) {
            return Err(ProxyUrlError::Malformed);
        }
        Ok(Self { kind, host: host.to_owned(), port, credentials })
    }
}

fn percent_decoded(text: &str) -> Result<String, ProxyUrlError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|byte| char::from(byte).to_digit(16));
        let (Some(high), Some(low)) = (digit(), digit()) else { return Err(ProxyUrlError::Malformed) };
        bytes.push(u8::try_from(high * 16 + low).map_err(|_| ProxyUrlError::Malformed)?);
    }
    String::from_utf8(bytes).map_err(|_| ProxyUrlError::Malformed)
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("kind", &self.kind)
            .field("host", &self.host)
            .field("port", &self.port)
            .field("has_credentials", &self.credentials.is_some())
            .finish()
    }
}

/// Why a text is no proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyUrlError {
    /// Not a URL, or without a host.
    #[error("the proxy's URL is malformed")]
    Malformed,
    /// Neither `http` nor `socks5`.
    #[error("the proxy's scheme is neither http nor socks5")]
    Scheme,
}

/// The proxy was reached, and does not connect us. Found inside the [`io::Error`] of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyRefusal {
    /// It wants a name and a password, or others.
    #[error("the proxy does not accept the credentials")]
    Credentials,
    /// It answered with this status (HTTP), or code (SOCKS5): the host may be forbidden, or not reached.
    #[error("the proxy answered with {0}")]
    Status(u16),
    /// Its answer cannot be read.
    #[error("the proxy's answer is malformed")]
    Malformed,
}

impl From<ProxyRefusal> for io::Error {
    fn from(refusal: ProxyRefusal) -> Self {
        let kind = match refusal {
            ProxyRefusal::Credentials => io::ErrorKind::PermissionDenied,
            ProxyRefusal::Status(_) => io::ErrorKind::ConnectionRefused,
            ProxyRefusal::Malformed => io::ErrorKind::InvalidData,
        };
        Self::new(kind, refusal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_read_from_its_url() {
        let proxy: Proxy = "socks5h://us%40er:p%3Aw@proxy.example:99".parse().unwrap();
        let credentials =
            Credentials { user: "us@er".to_owned(), password: Zeroizing::new("p:w".to_owned()) };
        let expected = Proxy {
            kind: Kind::Socks5,
            host: "proxy.example".to_owned(),
            port: 99,
            credentials: Some(credentials),
        };
        assert_eq!(proxy, expected);
        let proxy: Proxy = "http://[::1]".parse().unwrap();
        assert_eq!((proxy.kind, proxy.host.as_str(), proxy.port), (Kind::Http, "::1", 8080));
        let proxy: Proxy = "http://[::1]:3128/".parse().unwrap();
        assert_eq!((proxy.host.as_str(), proxy.port), ("::1", 3128));
    }

    #[test]
    fn what_is_no_proxy_is_refused_with_its_cause() {
        let cases = [
            ("", ProxyUrlError::Malformed),
            ("proxy:80", ProxyUrlError::Malformed),
            ("ftp://proxy", ProxyUrlError::Scheme),
            ("http://", ProxyUrlError::Malformed),
            ("http://proxy:port", ProxyUrlError::Malformed),
            ("http://proxy:70000", ProxyUrlError::Malformed),
            ("http://%zz@proxy", ProxyUrlError::Malformed),
            ("http://proxy/path", ProxyUrlError::Malformed),
        ];
        for (url, expected) in cases {
            assert_eq!(url.parse::<Proxy>(), Err(expected), "{url}");
        }
    }

    #[test]
    fn the_credentials_are_not_in_debug() {
        let proxy: Proxy = "http://name:secret@proxy".parse().unwrap();
        let shown = format!("{proxy:?}");
        assert!(!shown.contains("name") && !shown.contains("secret"), "{shown}");
    }
}
