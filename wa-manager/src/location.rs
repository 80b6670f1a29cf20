//! Where the store of an account is: settled before its first byte is written, and never renamed. Requirements:
//! manager.md, R005-R009, R013.

use std::path::{Path, PathBuf};

use wa_types::PhoneNumber;

use crate::account::AccountName;
use crate::ids::{AccountId, TenantId};

/// What the place of a store may depend on.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "made by the manager for each account")]
pub struct StoreKey<'k> {
    /// Which of its stores.
    pub kind: StoreKind,
    /// The account.
    pub account: &'k AccountId,
    /// Whose it is.
    pub tenant: &'k TenantId,
    /// Its name.
    pub name: &'k AccountName,
    /// Which of the tenant's people it belongs to.
    pub owner: Option<&'k str>,
    /// Its number, where that is known before it is linked.
    pub phone: Option<&'k PhoneNumber>,
}

/// Which of an account's stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreKind {
    /// Keys, sessions, inbox and outbox.
    Protocol,
    /// What the host keeps of the account in a database of its own.
    AppData,
    /// What the host keeps of it in files. Those that the account fetched are beside its keys.
    Media,
}

/// Says where stores are.
pub trait StoreLocator: Send + Sync {
    /// The path of a store. The same key has the same path at all times.
    ///
    /// # Errors
    /// [`LocationError`].
    fn resolve(&self, key: &StoreKey<'_>) -> Result<PathBuf, LocationError>;
}

/// Why a store has no place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LocationError {
    /// The template names something that there is not.
    #[error("the path template names {{{name}}}, which is not known")]
    UnknownPlaceholder {
        /// What it names.
        name: String,
    },
    /// A brace without its other half.
    #[error("a brace in the path template is not closed or not opened")]
    Unbalanced,
    /// The template leaves the directory that it is for.
    #[error("the path template has a part that is no name of a file")]
    NotInside,
    /// The account lacks what the template needs.
    #[error("the path needs the {name} of the account, and it has none")]
    Missing {
        /// What it needs: `owner`, `phone`.
        name: &'static str,
    },
    /// Another account has its store there.
    #[error("another account has its store there")]
    Taken,
    /// What the account says cannot be a part of a path.
    #[error("the {name} of the account cannot be a part of a path")]
    Unfit {
        /// Which part: `owner`, `tenant`.
        name: &'static str,
    },
}

/// A path with placeholders below one directory: `{tenant}`, `{owner}`, `{name}`, `{id}`, `{phone}`, `{kind}`.
///
/// ```
/// use wa_manager::{AccountId, AccountName, PathTemplate, StoreKey, StoreKind, StoreLocator, TenantId};
/// let template = PathTemplate::new("data", "DB USER TELEGRAM/{owner}/whatsmeow-{owner}-{phone}.db")?;
/// let (account, tenant) = (AccountId::of([1; 16]), TenantId::default());
/// let (name, phone) = (AccountName::new("shop")?, "628123456789".parse()?);
/// let key = StoreKey {
///     kind: StoreKind::Protocol,
///     account: &account,
///     tenant: &tenant,
///     name: &name,
///     owner: Some("4711"),
///     phone: Some(&phone),
/// };
/// let path = template.resolve(&key)?;
/// assert_eq!(path.to_str(), Some("data/DB USER TELEGRAM/4711/whatsmeow-4711-628123456789.db"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathTemplate {
    directory: PathBuf,
    /// The parts of the path, each of its pieces.
    parts: Vec<Vec<Piece>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Tenant,
    Owner,
    Name,
    Id,
    Phone,
    Kind,
}

impl PathTemplate {
    /// A template of paths below `directory`; `/` separates their parts.
    ///
    /// # Errors
    /// [`LocationError`] for what no account could make good.
    pub fn new(directory: impl AsRef<Path>, template: &str) -> Result<Self, LocationError> {
        let parts = template.split('/').map(read_part).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { directory: directory.as_ref().to_path_buf(), parts })
    }
}

impl StoreLocator for PathTemplate {
    fn resolve(&self, key: &StoreKey<'_>) -> Result<PathBuf, LocationError> {
        let mut path = self.directory.clone();
        for part in &self.parts {
            let mut name = String::new();
            for piece in part {
                name.push_str(&piece.of(key)?);
            }
            if !is_name(&name) {
                return Err(LocationError::NotInside);
            }
            path.push(name);
        }
        Ok(path)
    }
}

impl Piece {
    fn of(&self, key: &StoreKey<'_>) -> Result<String, LocationError> {
        let fit = |name, text: &str| {
            let is_fit = !text.is_empty() && text.len() <= 64 && text.chars().all(is_fit);
            if is_fit { Ok(text.to_owned()) } else { Err(LocationError::Unfit { name }) }
        };
        match self {
            Self::Text(text) => Ok(text.clone()),
            Self::Tenant => fit("tenant", key.tenant.as_str()),
            Self::Owner => fit("owner", key.owner.ok_or(LocationError::Missing { name: "owner" })?),
            Self::Name => Ok(key.name.to_string()),
            Self::Id => Ok(key.account.to_string()),
            Self::Phone => {
                let phone = key.phone.ok_or(LocationError::Missing { name: "phone" })?;
                Ok(phone.to_string())
            }
            Self::Kind => Ok(match key.kind {
                StoreKind::Protocol => "protocol",
                StoreKind::AppData => "bot_data",
                StoreKind::Media => "media",
            }
            .to_owned()),
        }
    }
}

/// What may stand for a placeholder: nothing that a file system or an address reads otherwise.
fn is_fit(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '@' | '+')
}

/// Whether this is the name of a file or directory, on every system.
fn is_name(name: &str) -> bool {
    let is_plain = |character: char| {
        !character.is_control() && !matches!(character, '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|')
    };
    !name.is_empty() && name.len() <= 255 && name != "." && name != ".." && name.chars().all(is_plain)
}

fn read_part(part: &str) -> Result<Vec<Piece>, LocationError> {
    let mut pieces = Vec::new();
    let mut rest = part;
    while let Some(open) = rest.find(['{', '}']) {
        let (text, from) = rest.split_at(open);
        if !text.is_empty() {
            pieces.push(Piece::Text(text.to_owned()));
        }
        let inside = from.strip_prefix('{').ok_or(LocationError::Unbalanced)?;
        let (name, after) = inside.split_once('}').ok_or(LocationError::Unbalanced)?;
        pieces.push(match name {
            "tenant" => Piece::Tenant,
            "owner" => Piece::Owner,
            "name" => Piece::Name,
            "id" => Piece::Id,
            "phone" => Piece::Phone,
            "kind" => Piece::Kind,
            _ => return Err(LocationError::UnknownPlaceholder { name: name.to_owned() }),
        });
        rest = after;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest.to_owned()));
    }
    let is_text_only = pieces.iter().all(|piece| matches!(piece, Piece::Text(_)));
    if pieces.is_empty() || (is_text_only && !is_name(part)) {
        return Err(LocationError::NotInside);
    }
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn resolve(template: &str, owner: Option<&str>, phone: Option<&str>) -> Result<PathBuf, LocationError> {
        let (account, tenant) = (AccountId::of([0; 16]), TenantId::default());
        let name = AccountName::new("shop").unwrap();
        let phone: Option<PhoneNumber> = phone.map(|phone| phone.parse().unwrap());
        let key = StoreKey {
            kind: StoreKind::AppData,
            account: &account,
            tenant: &tenant,
            name: &name,
            owner,
            phone: phone.as_ref(),
        };
        PathTemplate::new("base", template)?.resolve(&key)
    }

    // R005, R006, R008, R009
    #[test]
    fn all_placeholders_are_filled_in() {
        let path = resolve("{tenant}/{owner}/{name}-{phone}-{kind}.{id}", Some("7"), Some("628123456789"));
        let id = "00000000-0000-4000-8000-000000000000";
        assert_eq!(path.unwrap(), Path::new(&format!("base/default/7/shop-628123456789-bot_data.{id}")));
    }

    // R013
    #[test]
    fn templates_that_lead_elsewhere_are_refused() {
        for template in ["../x", "/x", "a//b", "a/./b", "a/..", "", "a:b", "a\\b"] {
            assert_eq!(resolve(template, None, None), Err(LocationError::NotInside), "{template}");
        }
        assert_eq!(resolve("{", None, None), Err(LocationError::Unbalanced));
        assert_eq!(resolve("a}", None, None), Err(LocationError::Unbalanced));
        let unknown = LocationError::UnknownPlaceholder { name: "home".into() };
        assert_eq!(resolve("{home}", None, None), Err(unknown));
    }

    #[test]
    fn what_the_account_lacks_or_says_wrongly_is_told() {
        assert_eq!(resolve("{owner}", None, None), Err(LocationError::Missing { name: "owner" }));
        assert_eq!(resolve("{phone}", None, None), Err(LocationError::Missing { name: "phone" }));
        for owner in ["", "..", "a/b", "a\\b", "a\0", "a.b", "C:", &"x".repeat(65)] {
            assert_eq!(resolve("{owner}", Some(owner), None), Err(LocationError::Unfit { name: "owner" }));
        }
    }

    proptest! {
        #[test]
        fn nothing_leaves_the_directory(template in ".{0,40}", owner in ".{0,20}") {
            if let Ok(path) = resolve(&template, Some(&owner), Some("628123456789")) {
                prop_assert!(path.starts_with("base"));
                let inside = path.strip_prefix("base").unwrap();
                prop_assert!(inside.components().all(|part| matches!(part, std::path::Component::Normal(_))));
            }
        }
    }
}
