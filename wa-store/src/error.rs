//! What goes wrong in a store, and what to do about it.

/// The cause that a store hands on: an error of the database or of the operating system. Its words come into errors,
/// events and logs: without what is stored, and without passwords of a server.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A store could not be opened, read or written.
///
/// After an error of a commit nothing of that commit is stored ([`StoreError::Interrupted`] excepted).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process, or another handle of this process, has the store open. Close it there first; two clients of
    /// one account would break its sessions.
    #[error("the store is open elsewhere")]
    Locked,
    /// A newer version of this library wrote the store; it was left untouched. Update, or restore an older copy.
    #[error("the store has format {found}; this version reads up to {supported}")]
    NewerVersion {
        /// The format of the store.
        found: u32,
        /// The newest format that this version reads.
        supported: u32,
    },
    /// The file is no database; it was left untouched. Look at the path.
    #[error("the file is no database")]
    NotADatabase,
    /// The file is a database of another application; it was left untouched. Look at the path.
    #[error("the database belongs to another application (id {application_id:#010x})")]
    OtherApplication {
        /// What the file's header says; 0 when it names no application.
        application_id: u32,
    },
    /// What is stored cannot be read: a damaged file, or a record that is none. Restore a copy, or pair again.
    #[error("the store is damaged: {what}")]
    Corrupt {
        /// Which part: the name of a record, or "database".
        what: &'static str,
        /// What the database or the decoder said.
        #[source]
        source: Option<BoxError>,
    },
    /// No room: the disk is full, or the size limit that the store was opened with is reached. The store goes on
    /// working; the same commit succeeds once there is room.
    #[error("no room left for the store")]
    Full {
        /// What the database said.
        #[source]
        source: Option<BoxError>,
    },
    /// The operating system could not read or write. May pass; if it stays, look at the disk and at permissions.
    #[error("the store's file could not be read or written")]
    Io {
        /// What the database or the system said.
        #[source]
        source: BoxError,
    },
    /// An inbox entry's number is not above all numbers used before: a mistake of the caller, or two callers.
    /// Read [`InboxReader::last_inbox_seq`](crate::InboxReader::last_inbox_seq) again.
    #[error("inbox number {seq} does not follow {last}")]
    InboxOrder {
        /// The number that was to be written.
        seq: u64,
        /// The highest number used.
        last: u64,
    },
    /// A value that this store cannot keep, such as an inbox number above `i64::MAX`. A mistake of the caller.
    #[error("{what} is out of range")]
    OutOfRange {
        /// Which value.
        what: &'static str,
    },
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
    /// The call was cut off, because the runtime stopped or a thread panicked. Whether a commit happened is not
    /// known; all of it did or nothing. Open the store again and read.
    #[error("the store's work was cut off")]
    Interrupted,
    /// Anything else that a store's backend reports. May pass.
    #[error("the store's backend failed")]
    Backend {
        /// What it said.
        #[source]
        source: BoxError,
    },
}

impl StoreError {
    /// What to do about it.
    #[must_use]
    pub const fn remedy(&self) -> Remedy {
        match self {
            Self::Full { .. } => Remedy::MakeRoom,
            Self::Io { .. } | Self::Backend { .. } => Remedy::TryLater,
            Self::Locked => Remedy::CloseElsewhere,
            Self::Closed | Self::Interrupted => Remedy::Reopen,
            Self::NewerVersion { .. } => Remedy::Update,
            Self::NotADatabase | Self::OtherApplication { .. } => Remedy::CheckPath,
            Self::Corrupt { .. } => Remedy::Restore,
            Self::InboxOrder { .. } | Self::OutOfRange { .. } => Remedy::FixCaller,
        }
    }

    /// Whether the same call may succeed later with nothing but time, or room on the disk.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self.remedy(), Remedy::MakeRoom | Remedy::TryLater)
    }

    /// A stored record that cannot be read. For implementations of stores.
    pub fn corrupt(what: &'static str, source: impl Into<BoxError>) -> Self {
        Self::Corrupt { what, source: Some(source.into()) }
    }

    /// A failure of a backend that fits no other variant. For implementations of stores.
    pub fn backend(source: impl Into<BoxError>) -> Self {
        Self::Backend { source: source.into() }
    }
}

/// What to do about a [`StoreError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Remedy {
    /// Wait and call again.
    TryLater,
    /// Free disk space or raise the size limit, then call again.
    MakeRoom,
    /// Close the other handle or process.
    CloseElsewhere,
    /// Open the store again, and read before writing.
    Reopen,
    /// Use a newer version of this library.
    Update,
    /// The path leads to something else.
    CheckPath,
    /// Restore a copy of the store, or pair the account again.
    Restore,
    /// The caller's code is wrong.
    FixCaller,
}
