//! Tokens of trust: which are still good, when one of ours is due, and what stands for one. Protocol: messages, "Privacy
//! tokens".

use wa_store::NctSalt;
use wa_types::{Jid, UnixSeconds};

use crate::crypto::kdf::hmac_sha256;
use crate::wire::Node;

/// Tokens are good for whole spans of so many seconds.
const SPAN_S: u64 = 604_800;
/// So many spans, the present one included.
const SPANS: u64 = 4;

/// What shows the receiver of a message that we are no stranger.
#[derive(Clone, PartialEq, Eq)]
pub enum Trust {
    /// The token that the receiver gave us.
    Token(Vec<u8>),
    /// What we can make ourselves.
    Derived([u8; 32]),
}

impl Trust {
    /// As a part of a message.
    #[must_use]
    pub fn to_node(&self) -> Node {
        match self {
            Self::Token(token) => Node::new("tctoken").bytes(token.clone()),
            Self::Derived(mac) => Node::new("cstoken").bytes(mac.to_vec()),
        }
    }
}

impl std::fmt::Debug for Trust {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Token(_) => "Token(..)",
            Self::Derived(_) => "Derived(..)",
        })
    }
}

/// Whether a token of this time is still good.
#[must_use]
pub const fn is_valid(issued: UnixSeconds, now: UnixSeconds) -> bool {
    issued.0 >= (now.0 / SPAN_S).saturating_sub(SPANS - 1).saturating_mul(SPAN_S)
}

/// Whether a user is to be given a token of ours.
#[must_use]
pub const fn is_due(last: Option<UnixSeconds>, now: UnixSeconds) -> bool {
    match last {
        Some(last) => now.0 / SPAN_S > last.0 / SPAN_S,
        None => true,
    }
}

/// What stands for the token of a user who gave us none.
#[must_use]
pub fn derived(salt: &NctSalt, lid: &Jid) -> Trust {
    Trust::Derived(hmac_sha256(salt.as_bytes(), &[lid.to_user().to_string().as_bytes()]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(span: u64, second: u64) -> UnixSeconds {
        UnixSeconds(span * SPAN_S + second)
    }

    #[test]
    fn tokens_are_good_for_four_spans() {
        for (issued, now, expected) in [
            (at(10, 0), at(10, 5), true),
            (at(7, 0), at(10, SPAN_S - 1), true),
            (at(6, SPAN_S - 1), at(10, 0), false),
            (at(11, 0), at(10, 0), true),
            (at(0, 0), at(2, 0), true),
        ] {
            assert_eq!(is_valid(issued, now), expected, "{issued:?} at {now:?}");
        }
    }

    #[test]
    fn one_is_due_in_each_span() {
        assert!(is_due(None, at(0, 0)));
        assert!(!is_due(Some(at(10, 0)), at(10, SPAN_S - 1)));
        assert!(is_due(Some(at(10, SPAN_S - 1)), at(11, 0)));
        assert!(!is_due(Some(at(12, 0)), at(11, 0)));
    }

    #[test]
    fn what_stands_for_a_token_is_of_the_user_not_of_a_device() {
        let salt = NctSalt::new(vec![7; 32]);
        let made = derived(&salt, &Jid::lid("100").with_device(3));
        assert_eq!(made, Trust::Derived(hmac_sha256(&[7; 32], &[b"100@lid"])));
        assert_eq!(format!("{made:?}"), "Derived(..)");
    }
}
