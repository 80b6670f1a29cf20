//! How a group is set, beside who is in it. Protocol: groups and communities, "Group object".

use wa_types::UnixSeconds;

/// Who of a group may do a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WhoMay {
    /// Its admins.
    Admins,
    /// All its members.
    Members,
}

/// What a group has or has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GroupFlag {
    /// Who joins by link must be let in by an admin.
    JoinApproval,
    /// New members may get messages from before they came.
    History,
    /// Messages that were forwarded often are not sent in it.
    NoFrequentForwards,
    /// Members may report messages to the admins.
    AdminReports,
    /// What is said in it cannot be exported, nor its media saved by themselves.
    LimitedSharing,
    /// Members have labels.
    MemberLabels,
    /// It is the general chat of its community.
    GeneralChat,
    /// It is a group of a community that only its members see.
    Hidden,
    /// It is a community, and who joins must be let in.
    ClosedCommunity,
    /// It is a community, and members may make groups in it.
    MembersCreateGroups,
    /// The server suspended it.
    Suspended,
    /// It is with the support.
    Support,
    /// A business hosts it.
    BusinessHosted,
    /// Its members do not see each other's numbers.
    Incognito,
    /// The server asks new members to look at who made it.
    SafetyCheck,
    /// Nobody is added by the server.
    NoAutoAdd,
    /// The server does not tell both addresses of some members.
    MissingAddresses,
}

impl GroupFlag {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::JoinApproval,
        Self::History,
        Self::NoFrequentForwards,
        Self::AdminReports,
        Self::LimitedSharing,
        Self::MemberLabels,
        Self::GeneralChat,
        Self::Hidden,
        Self::ClosedCommunity,
        Self::MembersCreateGroups,
        Self::Suspended,
        Self::Support,
        Self::BusinessHosted,
        Self::Incognito,
        Self::SafetyCheck,
        Self::NoAutoAdd,
        Self::MissingAddresses,
    ];

    const fn bit(self) -> u64 {
        1 << self as u8
    }
}

/// Which flags a group has.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct GroupFlags(u64);

impl GroupFlags {
    /// Whether this one is among them.
    #[must_use]
    pub const fn has(self, flag: GroupFlag) -> bool {
        self.0 & flag.bit() != 0
    }

    /// Sets one, or takes it away.
    pub const fn set(&mut self, flag: GroupFlag, is_on: bool) {
        if is_on {
            self.0 |= flag.bit();
        } else {
            self.0 &= !flag.bit();
        }
    }

    /// Those that are there.
    pub fn iter(self) -> impl Iterator<Item = GroupFlag> {
        GroupFlag::ALL.into_iter().filter(move |flag| self.has(*flag))
    }

    pub(super) const fn bits(self) -> u64 {
        self.0
    }

    pub(super) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
}

impl FromIterator<GroupFlag> for GroupFlags {
    fn from_iter<I: IntoIterator<Item = GroupFlag>>(flags: I) -> Self {
        let mut all = Self::default();
        flags.into_iter().for_each(|flag| all.set(flag, true));
        all
    }
}

impl std::fmt::Debug for GroupFlags {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// The server lets nobody join by link for a while.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GrowthLock {
    /// Why, in the server's word.
    pub kind: String,
    /// Until when.
    pub until: UnixSeconds,
}
