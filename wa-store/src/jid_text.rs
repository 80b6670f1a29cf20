//! JIDs as text that always reads back as the same JID.
//!
//! `Display` drops the integrator of `interop` addresses, and not every JID that a binary stanza can carry parses
//! again (a user part with `@` in it). Those few get a spelling of their own, which no JID text starts with.

use wa_types::{Jid, Server};

use crate::error::StoreError;

const ESCAPED: char = '\u{1}';

/// The text of a JID, as short as `Display` where that is enough.
pub(crate) fn write(jid: &Jid) -> String {
    let text = jid.to_string();
    if !text.starts_with(ESCAPED) && text.parse().as_ref() == Ok(jid) {
        return text;
    }
    format!("{ESCAPED}{}:{}:{}:{}", jid.device(), jid.integrator(), jid.server().as_str(), jid.user())
}

/// Reads what [`write`] wrote.
pub(crate) fn read(text: &str, what: &'static str) -> Result<Jid, StoreError> {
    let Some(escaped) = text.strip_prefix(ESCAPED) else {
        return text.parse().map_err(|error: wa_types::JidError| StoreError::corrupt(what, error));
    };
    let bad = || StoreError::Corrupt { what, source: None };
    let mut parts = escaped.splitn(4, ':');
    let mut next = || parts.next().ok_or_else(bad);
    let (device, integrator, server, user) = (next()?, next()?, next()?, next()?);
    let device = device.parse().map_err(|_| bad())?;
    let integrator = integrator.parse().map_err(|_| bad())?;
    Ok(Jid::new(user, Server::from_name(server)).with_device(device).with_integrator(integrator))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_jid_reads_back_as_itself() {
        let jids = [
            Jid::pn("15551234567"),
            Jid::lid("98765432109876").with_device(7),
            Jid::SERVER,
            Jid::STATUS,
            Jid::new("120363000000000001", Server::Group),
            Jid::new("42", Server::Interop).with_device(3).with_integrator(9),
            Jid::new("a@b:c", Server::Pn).with_device(1),
            Jid::new("1.2", Server::Pn),
            Jid::new("", Server::from_name("tomorrow")),
            Jid::new("", Server::Pn).with_device(5),
            Jid::new("\u{1}x", Server::Lid),
        ];
        for jid in jids {
            assert_eq!(read(&write(&jid), "jid").unwrap(), jid, "{jid}");
        }
    }
}
