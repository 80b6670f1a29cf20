//! The certificate with a business's name. Who signed it is the server's to know: the keys for that are not public, so
//! the name is as trustworthy as the connection.

use prost::Message as _;
use wa_proto::vname_cert::{self, verified_name_certificate::Details};
use wa_types::{Jid, UnixSeconds};

use crate::stanza::iq::{IqKind, IqRequest};
use crate::stanza::{Reader, StanzaError};
use crate::wire::Node;

/// The name under which a business was verified.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifiedName {
    /// The name.
    pub name: String,
    /// Number of the certificate.
    pub serial: u64,
    /// Who issued it, such as `smb:wa` (the business app) or `ent:wa` (the business platform).
    pub issuer: String,
    /// When it was issued.
    pub issued: Option<UnixSeconds>,
    /// The name in other languages: language, country, name.
    pub localized: Vec<(String, String, String)>,
    /// How far the business was verified, by the server's word: `unknown`, `low`, `high`.
    pub level: Option<String>,
}

impl std::fmt::Debug for VerifiedName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VerifiedName")
            .field("serial", &self.serial)
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}

impl VerifiedName {
    /// Reads a certificate; `None` when it is none, or has no name.
    #[must_use]
    pub fn decode(certificate: &[u8]) -> Option<Self> {
        let certificate = vname_cert::VerifiedNameCertificate::decode(certificate).ok()?;
        let details = Details::decode(certificate.details.as_deref()?).ok()?;
        let localized = details.localized_names.into_iter().take(LANGUAGES_LIMIT).map(|name| {
            let text = Option::unwrap_or_default;
            (text(name.lg), text(name.lc), text(name.verified_name))
        });
        Some(Self {
            name: details.verified_name.filter(|name| !name.is_empty())?,
            serial: details.serial.unwrap_or_default(),
            issuer: details.issuer.unwrap_or_default(),
            issued: details.issue_time.filter(|time| *time > 0).map(UnixSeconds),
            localized: localized.collect(),
            level: None,
        })
    }

    /// Reads a `<verified_name>`.
    #[must_use]
    pub fn read(node: Reader<'_>) -> Option<Self> {
        let mut read = Self::decode(&node.content())?;
        read.level = node.text_opt("verified_level").map(std::borrow::Cow::into_owned);
        Some(read)
    }

    /// Reads the `<verified_name>` in a `<business>`.
    #[must_use]
    pub fn of_business(business: Reader<'_>) -> Option<Self> {
        Self::read(business.child_opt("verified_name")?)
    }
}

/// More languages than this are not kept.
const LANGUAGES_LIMIT: usize = 256;

/// Asks for the certificate of a business.
#[derive(Debug, Clone)]
pub struct FetchVerifiedName(pub Jid);

impl IqRequest for FetchVerifiedName {
    const NAMESPACE: &'static str = "w:biz";
    const KIND: IqKind = IqKind::Get;
    /// `None` for who is no business.
    type Reply = Option<VerifiedName>;

    fn body(&self) -> Vec<Node> {
        vec![Node::new("verified_name").attr("jid", &self.0)]
    }

    fn read(reply: Reader<'_>) -> Result<Self::Reply, StanzaError> {
        Ok(reply.child_opt("verified_name").and_then(VerifiedName::read))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_read_and_damage_is_none() {
        let details = Details {
            serial: Some(7),
            issuer: Some("smb:wa".to_owned()),
            verified_name: Some("Corner Shop".to_owned()),
            localized_names: vec![vname_cert::LocalizedName {
                lg: Some("de".to_owned()),
                lc: None,
                verified_name: Some("Eckladen".to_owned()),
            }],
            issue_time: Some(5),
        };
        let encode = |details: &Details| {
            vname_cert::VerifiedNameCertificate {
                details: Some(details.encode_to_vec()),
                ..Default::default()
            }
            .encode_to_vec()
        };
        let read = VerifiedName::decode(&encode(&details)).unwrap();
        assert_eq!((read.name.as_str(), read.serial, read.issued), ("Corner Shop", 7, Some(UnixSeconds(5))));
        assert_eq!(read.localized, [("de".to_owned(), String::new(), "Eckladen".to_owned())]);
        assert!(!format!("{read:?}").contains("Corner"));
        let nameless = Details { verified_name: None, ..details };
        for damaged in [&b""[..], b"\xff\xff", &encode(&nameless)] {
            assert_eq!(VerifiedName::decode(damaged), None);
        }
    }
}
