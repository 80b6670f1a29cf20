-- The tables of the manager. Times are milliseconds since 1970.
CREATE TABLE account (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    tenant TEXT NOT NULL,
    owner TEXT,
    name TEXT NOT NULL,
    display_name TEXT NOT NULL,
    phone TEXT,
    jid TEXT,
    lid TEXT,
    desired TEXT NOT NULL,
    status TEXT NOT NULL,
    reason TEXT,
    seq INTEGER NOT NULL DEFAULT 0,
    version INTEGER NOT NULL,
    settings TEXT NOT NULL,
    metadata TEXT NOT NULL,
    location TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    last_active_at INTEGER,
    probation INTEGER,
    accepted TEXT,
    epoch INTEGER NOT NULL,
    exported INTEGER NOT NULL,
    hand_overs INTEGER NOT NULL,
    UNIQUE (tenant, name)
) STRICT;

CREATE TABLE event (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    account_seq INTEGER NOT NULL,
    id TEXT NOT NULL UNIQUE,
    tenant TEXT NOT NULL,
    account TEXT,
    kind TEXT NOT NULL,
    at INTEGER NOT NULL,
    data TEXT NOT NULL
) STRICT;
CREATE INDEX event_account ON event (account, seq);
CREATE INDEX event_tenant ON event (tenant, seq);

CREATE TABLE trust (
    account TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    text_key BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE reservation (
    account TEXT NOT NULL,
    id TEXT NOT NULL,
    at INTEGER NOT NULL,
    state TEXT NOT NULL,
    PRIMARY KEY (account, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE send (
    account TEXT NOT NULL,
    number INTEGER NOT NULL,
    id TEXT NOT NULL,
    chat TEXT NOT NULL,
    payload BLOB NOT NULL,
    lane TEXT NOT NULL,
    at INTEGER NOT NULL,
    deadline INTEGER NOT NULL,
    PRIMARY KEY (account, number),
    UNIQUE (account, id)
) STRICT;

CREATE TABLE contact (
    account TEXT NOT NULL,
    id INTEGER NOT NULL,
    pn TEXT,
    lid TEXT,
    push_name TEXT,
    created_at INTEGER NOT NULL,
    last_inbound INTEGER,
    unanswered INTEGER NOT NULL,
    PRIMARY KEY (account, id)
) STRICT;
CREATE UNIQUE INDEX contact_pn ON contact (account, pn) WHERE pn IS NOT NULL;
CREATE UNIQUE INDEX contact_lid ON contact (account, lid) WHERE lid IS NOT NULL;

CREATE TABLE chat (
    account TEXT NOT NULL,
    chat TEXT NOT NULL,
    kind TEXT NOT NULL,
    contact INTEGER,
    created_at INTEGER NOT NULL,
    last_message_at INTEGER,
    -- JSON; the anchor from which the phone is asked for older messages.
    oldest TEXT,
    PRIMARY KEY (account, chat)
) STRICT;
CREATE INDEX chat_recent ON chat (account, last_message_at DESC, chat);

CREATE TABLE number (
    account TEXT NOT NULL,
    number TEXT NOT NULL,
    at INTEGER NOT NULL,
    -- JSON; null for a number without an account.
    found TEXT,
    PRIMARY KEY (account, number)
) STRICT, WITHOUT ROWID;

-- Files that are to be removed.
CREATE TABLE leftover (
    account TEXT NOT NULL,
    location TEXT NOT NULL,
    PRIMARY KEY (account, location)
) STRICT, WITHOUT ROWID;

CREATE TABLE idempotency (
    tenant TEXT NOT NULL,
    key TEXT NOT NULL,
    outcome TEXT NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (tenant, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE pair_limit (
    key TEXT PRIMARY KEY,
    state BLOB NOT NULL,
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE cursor (
    endpoint TEXT NOT NULL,
    account TEXT NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (endpoint, account)
) STRICT, WITHOUT ROWID;

CREATE TABLE webhook (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    tenant TEXT NOT NULL,
    account TEXT,
    url TEXT NOT NULL,
    events TEXT NOT NULL,
    secrets TEXT NOT NULL,
    headers TEXT NOT NULL,
    mode TEXT NOT NULL,
    parallel INTEGER NOT NULL,
    state TEXT NOT NULL,
    since INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    ignored TEXT NOT NULL,
    retry TEXT NOT NULL
) STRICT;

CREATE TABLE dead_letter (
    endpoint TEXT NOT NULL,
    seq INTEGER NOT NULL,
    account_seq INTEGER NOT NULL,
    id TEXT NOT NULL,
    tenant TEXT NOT NULL,
    account TEXT,
    kind TEXT NOT NULL,
    at INTEGER NOT NULL,
    data TEXT NOT NULL,
    tries INTEGER NOT NULL,
    reason TEXT NOT NULL,
    died_at INTEGER NOT NULL,
    replayed INTEGER NOT NULL,
    PRIMARY KEY (endpoint, seq)
) STRICT, WITHOUT ROWID;
