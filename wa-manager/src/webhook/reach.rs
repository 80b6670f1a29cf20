//! Which hosts webhooks may reach: those of the public internet, over TLS, unless more is allowed. What a name leads to is
//! checked where the connection is made, each time; redirects are not followed.

use std::net::IpAddr;

use hyper::Uri;
use wa_core::transport::https::HttpsClient;
use wa_core::transport::{Proxy, TlsRoots, is_public};

use super::spec::WebhookError;

/// How long a URL may be.
const MAX_URL: usize = 2048;

/// What webhooks may reach besides public hosts over TLS. Nothing, unless said otherwise: whoever may set up a webhook
/// could else make us speak to what only we can reach.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "made by hosts with ..Default::default()")]
pub struct Reach {
    /// Hosts of this machine and its networks; those also without TLS.
    pub private: bool,
    /// Public hosts without TLS: everybody in between can read.
    pub plain: bool,
}

/// One client for URLs with TLS, and one for those without, if there may be any.
#[derive(Debug, Clone)]
pub(super) struct Clients {
    reach: Reach,
    secure: HttpsClient,
    plain: Option<HttpsClient>,
}

impl Clients {
    pub(super) fn new(reach: Reach, roots: &TlsRoots, proxy: Option<&Proxy>) -> Self {
        let client = |is_allowed| {
            let client = HttpsClient::new(roots).only_to(is_allowed);
            match proxy {
                Some(proxy) => client.with_proxy(proxy.clone()),
                None => client,
            }
        };
        Self { reach, secure: client(reach.secure()), plain: reach.without_tls().map(client) }
    }

    /// Checks a URL. What a name leads to is checked later.
    pub(super) fn check(&self, url: &str) -> Result<(), WebhookError> {
        let malformed = || WebhookError::Url;
        let is_text =
            url.len() <= MAX_URL && url.bytes().all(|byte| byte.is_ascii_graphic()) && !url.contains('#');
        let uri: Uri = if is_text { url.parse().map_err(|_| malformed())? } else { return Err(malformed()) };
        let is_plain = match uri.scheme_str() {
            Some("https") => false,
            Some("http") => true,
            _ => return Err(malformed()),
        };
        // No user in it: that belongs into a header.
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'));
        let host = authority.map(|authority| authority.host().trim_matches(['[', ']'])).unwrap_or_default();
        if host.is_empty() {
            return Err(malformed());
        }
        let is_allowed = if is_plain { self.reach.without_tls() } else { Some(self.reach.secure()) };
        let is_allowed = is_allowed.ok_or(WebhookError::Plain)?;
        match host.parse::<IpAddr>() {
            Ok(address) if !is_allowed(address) && is_public(address) => Err(WebhookError::Plain),
            Ok(address) if !is_allowed(address) => Err(WebhookError::Private),
            _ => Ok(()),
        }
    }

    /// The client for a URL that was checked.
    pub(super) fn of(&self, url: &str) -> &HttpsClient {
        let is_plain = url.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http:"));
        self.plain.as_ref().filter(|_| is_plain).unwrap_or(&self.secure)
    }
}

impl Reach {
    fn secure(self) -> fn(IpAddr) -> bool {
        if self.private { |_| true } else { is_public }
    }

    fn without_tls(self) -> Option<fn(IpAddr) -> bool> {
        match self {
            Self { plain: true, .. } => Some(self.secure()),
            Self { private: true, plain: false } => Some(|address| !is_public(address)),
            Self { private: false, plain: false } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(reach: Reach, url: &str) -> Result<(), WebhookError> {
        Clients::new(reach, &TlsRoots::none(), None).check(url)
    }

    #[test]
    fn only_public_hosts_over_tls_are_reached_unless_more_is_allowed() {
        let nothing = Reach::default();
        let private = Reach { private: true, ..nothing };
        let plain = Reach { plain: true, ..nothing };
        for (url, reach, expected) in [
            ("https://shop.example/hook?x=1", nothing, Ok(())),
            ("https://8.8.8.8/", nothing, Ok(())),
            ("https://127.0.0.1/", nothing, Err(WebhookError::Private)),
            ("https://169.254.169.254/latest", nothing, Err(WebhookError::Private)),
            ("https://[::1]:8443/", nothing, Err(WebhookError::Private)),
            ("https://[::ffff:10.0.0.1]/", plain, Err(WebhookError::Private)),
            ("https://10.0.0.1/", private, Ok(())),
            ("http://shop.example/", nothing, Err(WebhookError::Plain)),
            ("http://10.0.0.1/", nothing, Err(WebhookError::Plain)),
            ("http://10.0.0.1/", private, Ok(())),
            // A name: what it leads to is checked later.
            ("http://worker.internal/", private, Ok(())),
            ("http://8.8.8.8/", private, Err(WebhookError::Plain)),
            ("http://8.8.8.8/", plain, Ok(())),
            ("http://10.0.0.1/", plain, Err(WebhookError::Private)),
        ] {
            assert_eq!(format!("{:?}", check(reach, url)), format!("{expected:?}"), "{url}");
        }
    }

    #[test]
    fn what_is_no_url_is_refused() {
        let all = Reach { private: true, plain: true };
        let long = format!("https://a.example/{}", "x".repeat(MAX_URL));
        for url in [
            "",
            "a.example",
            "/a",
            "ftp://a.example/",
            "https://",
            "https://user:pw@a.example/",
            "https://a.example/#x",
            "https://a.example/ x",
            "https://a.example/\n",
            "https://\u{e9}.example/",
            &long,
        ] {
            assert!(matches!(check(all, url), Err(WebhookError::Url)), "{url}");
        }
    }
}
