//! Where a file lies. Protocol: media, "Download".

use crate::media::Attachment;

/// A host that an address in a message may name.
const DOMAIN: &str = "whatsapp.net";

/// In some messages; nothing lies there.
const PLACEHOLDER: &str = "web.whatsapp.net";

/// Where a file is fetched from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// Behind this path, on every host.
    Path(String),
    /// Only here.
    Url(String),
}

impl Place {
    /// Where this file is; `None` when it does not say so, or names somebody else's host.
    pub(super) fn of(file: &Attachment) -> Option<Self> {
        if let Some(url) = file.static_url.as_deref().filter(|_| file.key.is_none())
            && let Some(url) = own_url(url)
        {
            return Some(Self::Url(url));
        }
        match file.direct_path.as_deref() {
            // Anything else would change the host.
            Some(path) if path.starts_with('/') && is_plain(path) => Some(Self::Path(path.to_owned())),
            Some(_) => None,
            None => file.url.as_deref().and_then(own_url).map(Self::Url),
        }
    }

    pub(super) fn on(&self, host: &str) -> String {
        match self {
            Self::Path(path) => format!("https://{host}{path}"),
            Self::Url(url) => url.clone(),
        }
    }
}

/// Where a redirect leads, if it may be followed: to one of WhatsApp's hosts, or one of these.
pub(super) fn redirected(from: &str, location: &str, hosts: &[String]) -> Option<String> {
    if !is_plain(location) {
        return None;
    }
    if location.starts_with('/') && !location.starts_with("//") {
        let authority = from.strip_prefix("https://")?.split(['/', '?']).next()?;
        return Some(format!("https://{authority}{location}"));
    }
    let authority = location.strip_prefix("https://")?.split(['/', '?']).next()?;
    let is_known = hosts.iter().any(|host| host == authority);
    if is_known { Some(location.to_owned()) } else { own_url(location) }
}

/// The address, if it is HTTPS on a host of WhatsApp's.
fn own_url(url: &str) -> Option<String> {
    let rest = url.strip_prefix("https://").filter(|_| is_plain(url))?;
    let host = rest.split(['/', '?']).next()?;
    let is_own = host.strip_suffix(DOMAIN).is_some_and(|name| name.ends_with('.') && is_name(name));
    (is_own && host != PLACEHOLDER).then(|| url.to_owned())
}

fn is_name(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.')
}

/// No character that ends a line of a request, or that is taken for another by some.
fn is_plain(text: &str) -> bool {
    text.len() <= 4096 && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\' && byte != b'#')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::MediaKind;

    fn place(direct_path: Option<&str>, url: Option<&str>) -> Option<Place> {
        let mut file = Attachment::new(MediaKind::Image);
        file.direct_path = direct_path.map(str::to_owned);
        file.url = url.map(str::to_owned);
        Place::of(&file)
    }

    #[test]
    fn a_path_is_on_every_host_and_an_address_on_one() {
        let path = place(Some("/v/x?oh=1"), Some("https://mmg.whatsapp.net/y")).unwrap();
        assert_eq!(path.on("host.example"), "https://host.example/v/x?oh=1");
        let url = place(None, Some("https://mmg.whatsapp.net/y")).unwrap();
        assert_eq!(url.on("host.example"), "https://mmg.whatsapp.net/y");
    }

    #[test]
    fn no_other_host_is_asked() {
        let bad = [
            "http://mmg.whatsapp.net/y",
            "https://web.whatsapp.net",
            "https://mmg.whatsapp.net.evil.example/y",
            "https://evilwhatsapp.net/y",
            "https://mmg.whatsapp.net@evil.example/y",
            "https://evil.example\\.whatsapp.net/y",
            "https://evil.example#.whatsapp.net/y",
            "https://evil.example:443#x.whatsapp.net/",
            "https://whatsapp.net/y",
        ];
        for url in bad {
            assert_eq!(place(None, Some(url)), None, "{url}");
        }
        for path in ["v/x", "@evil.example/x", ".evil.example/", "/a b", "/a\r\nb"] {
            assert_eq!(place(Some(path), Some("https://mmg.whatsapp.net/y")), None, "{path}");
        }
    }

    #[test]
    fn redirects_stay_on_known_hosts() {
        let hosts = ["127.0.0.1:4".to_owned()];
        let follow = |location| redirected("https://a.example/x?y", location, &hosts);
        assert_eq!(follow("/z").as_deref(), Some("https://a.example/z"));
        assert_eq!(follow("https://127.0.0.1:4/z").as_deref(), Some("https://127.0.0.1:4/z"));
        assert_eq!(follow("https://mmg.whatsapp.net/z").as_deref(), Some("https://mmg.whatsapp.net/z"));
        for location in ["//evil.example/z", "https://evil.example/z", "http://127.0.0.1:4/z", "z"] {
            assert_eq!(follow(location), None, "{location}");
        }
    }
}
