//! `w:m`: which hosts serve media, and the token that they want. Protocol: media, "media_conn".

use std::fmt;
use std::time::Duration;

use super::{IqKind, IqRequest};
use crate::stanza::{Reader, StanzaError};
use crate::wire::Node;

/// No more hosts are taken from an answer.
const MAX_HOSTS: usize = 16;

/// Asks which hosts serve media.
#[derive(Debug, Clone, Copy)]
pub struct MediaHostsQuery;

/// Which hosts serve media.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MediaHosts {
    /// The token for uploads.
    pub auth: String,
    /// How long all this is good.
    pub ttl: Duration,
    /// The hosts, best first.
    pub hosts: Vec<MediaHost>,
}

/// A host that serves media.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MediaHost {
    /// Its name, maybe with a port.
    pub name: String,
    /// Whether it takes uploads.
    pub takes_uploads: bool,
}

impl IqRequest for MediaHostsQuery {
    const NAMESPACE: &'static str = "w:m";
    const KIND: IqKind = IqKind::Set;
    const IDEMPOTENT: bool = true;
    type Reply = MediaHosts;

    fn body(&self) -> Vec<Node> {
        vec![Node::new("media_conn")]
    }

    fn read(reply: Reader<'_>) -> Result<MediaHosts, StanzaError> {
        let conn = reply.child("media_conn")?;
        let ttl: u64 = conn.number("ttl")?;
        let auth_ttl: Option<u64> = conn.number_opt("auth_ttl")?;
        let mut hosts = Hosts::default();
        for host in conn.children_of("host") {
            let takes_uploads = host.child_opt("upload").is_some();
            let list =
                if host.attr_is("type", "fallback") { &mut hosts.fallback } else { &mut hosts.primary };
            if let Some(name) = host_name(host, "hostname") {
                list.push(MediaHost { name, takes_uploads });
            }
            if let Some(name) = host_name(host, "fallback_hostname") {
                hosts.last.push(MediaHost { name, takes_uploads });
            }
        }
        let hosts = hosts.in_order();
        if hosts.is_empty() {
            return Err(conn.missing("host"));
        }
        let ttl = Duration::from_secs(ttl.min(auth_ttl.unwrap_or(u64::MAX)));
        Ok(MediaHosts { auth: conn.text("auth")?.into_owned(), ttl, hosts })
    }
}

#[derive(Default)]
struct Hosts {
    primary: Vec<MediaHost>,
    fallback: Vec<MediaHost>,
    /// The second names of hosts.
    last: Vec<MediaHost>,
}

impl Hosts {
    fn in_order(self) -> Vec<MediaHost> {
        let mut hosts: Vec<MediaHost> = Vec::new();
        for host in self.primary.into_iter().chain(self.fallback).chain(self.last) {
            if hosts.len() < MAX_HOSTS && hosts.iter().all(|other| other.name != host.name) {
                hosts.push(host);
            }
        }
        // When none says that it takes uploads, all may.
        if hosts.iter().all(|host| !host.takes_uploads) {
            hosts.iter_mut().for_each(|host| host.takes_uploads = true);
        }
        hosts
    }
}

/// A name that can stand in a URL; others are left out.
fn host_name(host: Reader<'_>, attr: &str) -> Option<String> {
    let name = host.text_opt(attr)?;
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b".-:".contains(&byte);
    (!name.is_empty() && name.len() <= 255 && name.bytes().all(is_good)).then(|| name.into_owned())
}

impl fmt::Debug for MediaHosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MediaHosts")
            .field("ttl", &self.ttl)
            .field("hosts", &self.hosts)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire;

    fn read(conn: Node) -> Result<MediaHosts, StanzaError> {
        let body = wire::encode(&Node::new("iq").child(conn)).unwrap();
        let body = wire::unpack(&body).unwrap().into_owned();
        MediaHostsQuery::read(Reader::new(wire::decode_owned(body).unwrap().root()))
    }

    fn conn() -> Node {
        Node::new("media_conn").attr("auth", "token").attr("ttl", 300_u32).attr("auth_ttl", 200_u32)
    }

    fn host(name: &str, kind: &str) -> Node {
        Node::new("host").attr("hostname", name.to_owned()).attr("type", kind.to_owned())
    }

    #[test]
    fn primary_hosts_come_first_and_second_names_last() {
        let hosts = read(
            conn()
                .child(host("b.example", "fallback").attr("fallback_hostname", "d.example"))
                .child(host("a.example", "primary").child(Node::new("upload")))
                .child(host("a.example", "fallback"))
                .child(host("c.example", "fallback")),
        );
        let hosts = hosts.unwrap();
        let names: Vec<_> = hosts.hosts.iter().map(|host| (host.name.as_str(), host.takes_uploads)).collect();
        let expected =
            [("a.example", true), ("b.example", false), ("c.example", false), ("d.example", false)];
        assert_eq!(names, expected);
        assert_eq!(hosts.ttl, Duration::from_secs(200));
        assert!(!format!("{hosts:?}").contains("token"));
    }

    #[test]
    fn names_that_would_change_the_url_are_left_out() {
        let bad = ["", "a/b", "a@b", "a?b", "a b", "a#b"];
        let hosts = bad.into_iter().fold(conn(), |conn, name| conn.child(host(name, "primary")));
        assert!(read(hosts).is_err());
    }

    #[test]
    fn any_host_takes_uploads_when_none_says_so() {
        let hosts = read(conn().child(host("a.example", "primary"))).unwrap();
        assert!(hosts.hosts[0].takes_uploads);
    }
}
