//! How a message goes, where neither its chat nor what it says tells. It is decided when the message is taken, and
//! stored with it: after a restart it goes the same way. Protocol: messages, "Status, broadcast lists, newsletters".

use std::sync::Arc;

use wa_types::Jid;

/// How one message goes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Delivery {
    /// As its chat says.
    #[default]
    Plain,
    /// To an audience, under our key: status posts, broadcast lists.
    Audience(Arc<Audience>),
    /// To one user, sealed for each device: a reaction to that user's status.
    Author(Jid),
    /// With a file of which the hosts have this name: a channel's post.
    File(String),
}

/// Who reads a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Audience {
    /// What the server may know of how they were chosen; nothing for lists and deletions.
    pub(crate) setting: Option<Setting>,
    /// The users. Our own account reads along, named or not.
    pub(crate) users: Vec<Jid>,
    /// Who does not read it, named above or not. By whichever address: the other one may be learned later.
    pub(crate) except: Vec<Jid>,
}

/// How the audience of a status post was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Setting {
    Contacts,
    Only,
    Except,
}

impl Setting {
    const ALL: [Self; 3] = [Self::Contacts, Self::Only, Self::Except];

    /// Its name on the wire.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Contacts => "contacts",
            Self::Only => "allowlist",
            Self::Except => "denylist",
        }
    }
}

const AUDIENCE: &str = "audience";
const AUTHOR: &str = "author";
const FILE: &str = "file";
/// The setting of an audience that has none.
const NONE: &str = "-";
/// Before who is left out.
const NOT: char = '!';

impl Delivery {
    /// As the outbox keeps it: a word and a line for each detail; nothing for what is plain.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let lines = match self {
            Self::Plain => return Vec::new(),
            Self::Audience(audience) => {
                let setting = audience.setting.map_or(NONE, Setting::as_str).to_owned();
                let users = audience.users.iter().map(ToString::to_string);
                let except = audience.except.iter().map(|user| format!("{NOT}{user}"));
                [AUDIENCE.to_owned(), setting].into_iter().chain(users).chain(except).collect()
            }
            Self::Author(author) => vec![AUTHOR.to_owned(), author.to_string()],
            Self::File(handle) => vec![FILE.to_owned(), handle.clone()],
        };
        lines.join("\n").into_bytes()
    }

    /// Reads what [`Self::encode`] made; `None` when it is damaged: whoever is missing there must not be guessed.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.is_empty() {
            return Some(Self::Plain);
        }
        let (word, rest) = std::str::from_utf8(bytes).ok()?.split_once('\n')?;
        match word {
            AUDIENCE => {
                let mut lines = rest.split('\n');
                let setting = match lines.next()? {
                    NONE => None,
                    name => Some(Setting::ALL.into_iter().find(|setting| setting.as_str() == name)?),
                };
                let (mut users, mut except) = (Vec::new(), Vec::new());
                for line in lines {
                    match line.strip_prefix(NOT) {
                        Some(line) => except.push(line.parse().ok()?),
                        None => users.push(line.parse().ok()?),
                    }
                }
                Some(Self::Audience(Arc::new(Audience { setting, users, except })))
            }
            AUTHOR => Some(Self::Author(rest.parse().ok()?)),
            FILE => Some(Self::File(rest.to_owned())),
            _ => None,
        }
    }

    /// Whether it names a user as a reader; this tells that user's addresses.
    pub(crate) fn is_for(&self, is_user: impl Fn(&Jid) -> bool) -> bool {
        match self {
            Self::Audience(audience) => {
                audience.users.iter().any(&is_user) && !audience.except.iter().any(is_user)
            }
            Self::Author(author) => is_user(author),
            Self::Plain | Self::File(_) => false,
        }
    }

    /// About how many bytes it takes in memory.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Audience(audience) => (audience.users.len() + audience.except.len()) * size_of::<Jid>(),
            Self::Plain | Self::Author(_) | Self::File(_) => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_read_again_and_damage_is_seen() {
        let audience = |setting, users: &[Jid], except: &[Jid]| {
            let (users, except) = (users.to_vec(), except.to_vec());
            Delivery::Audience(Arc::new(Audience { setting, users, except }))
        };
        let all = [
            Delivery::Plain,
            audience(None, &[], &[]),
            audience(Some(Setting::Contacts), &[Jid::pn("1"), Jid::lid("2")], &[]),
            audience(Some(Setting::Only), &[Jid::pn("1")], &[]),
            audience(Some(Setting::Except), &[Jid::pn("1")], &[Jid::lid("2"), Jid::lid("3")]),
            Delivery::Author(Jid::lid("2")),
            Delivery::File("a handle".to_owned()),
        ];
        for delivery in all {
            assert_eq!(Delivery::decode(&delivery.encode()), Some(delivery));
        }
        for damaged in ["audience", "audience\nfriends", "audience\n-\nnobody", "author\n", "x\ny", "\u{FF}"]
        {
            assert_eq!(Delivery::decode(damaged.as_bytes()), None, "{damaged}");
        }
    }
}
