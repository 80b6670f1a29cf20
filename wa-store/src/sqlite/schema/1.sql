-- Version 1. JIDs and addresses are text, times are Unix time in the unit of their column's name.

CREATE TABLE account (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    record BLOB NOT NULL
) STRICT;

-- Sessions and sender keys are some KiB each: as rows of a table, whose pages hold them whole.
CREATE TABLE session (
    address TEXT NOT NULL UNIQUE,
    record BLOB NOT NULL
) STRICT;

CREATE TABLE identity (
    address TEXT PRIMARY KEY,
    public_key BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE pre_key (
    id INTEGER PRIMARY KEY,
    private_key BLOB NOT NULL,
    public_key BLOB NOT NULL,
    uploaded INTEGER NOT NULL
) STRICT;

CREATE INDEX pre_key_unuploaded ON pre_key (id) WHERE uploaded = 0;

CREATE TABLE signed_pre_key (
    id INTEGER PRIMARY KEY,
    private_key BLOB NOT NULL,
    public_key BLOB NOT NULL,
    signature BLOB NOT NULL,
    created_s INTEGER NOT NULL
) STRICT;

CREATE TABLE repair (
    chat TEXT NOT NULL,
    sender TEXT NOT NULL,
    message_id TEXT NOT NULL,
    since_ms INTEGER NOT NULL,
    state BLOB NOT NULL,
    PRIMARY KEY (chat, sender, message_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE held (
    user_jid TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

CREATE TABLE privacy_token (
    user_jid TEXT PRIMARY KEY,
    token BLOB,
    received_s INTEGER,
    issued_s INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE sender_key (
    group_jid TEXT NOT NULL,
    sender TEXT NOT NULL,
    record BLOB NOT NULL,
    UNIQUE (group_jid, sender)
) STRICT;

CREATE TABLE device_list (
    user_jid TEXT PRIMARY KEY,
    record BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE group_info (
    jid TEXT NOT NULL UNIQUE,
    record BLOB NOT NULL
) STRICT;

CREATE TABLE key_holders (
    group_jid TEXT NOT NULL UNIQUE,
    record BLOB NOT NULL
) STRICT;

-- A replaced row gets a new, higher rowid: the rowid tells which mapping was written last.
CREATE TABLE lid_map (
    lid TEXT NOT NULL UNIQUE,
    pn TEXT NOT NULL,
    learned_ms INTEGER NOT NULL
) STRICT;

CREATE INDEX lid_map_pn ON lid_map (pn, learned_ms);

CREATE TABLE chat_key (
    address TEXT PRIMARY KEY,
    chat_key TEXT NOT NULL,
    lid TEXT,
    expiration_s INTEGER NOT NULL,
    expiration_since INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE inbox (
    seq INTEGER PRIMARY KEY,
    chat TEXT NOT NULL,
    sender TEXT NOT NULL,
    message_id TEXT NOT NULL,
    received_ms INTEGER NOT NULL,
    payload BLOB NOT NULL
) STRICT;

-- The highest number ever used, confirmed entries included.
CREATE TABLE inbox_last (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    seq INTEGER NOT NULL
) STRICT;

INSERT INTO inbox_last (id, seq) VALUES (1, 0);

-- No index on the time: every message would pay for it, and forgetting is rare enough to read the table through.
CREATE TABLE seen (
    chat TEXT NOT NULL,
    sender TEXT NOT NULL,
    message_id TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (chat, sender, message_id)
) STRICT, WITHOUT ROWID;

-- What is queued or written has a state below 2. The payload is last: a look at the states reads none of a long one.
CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY,
    chat TEXT NOT NULL,
    message_id TEXT NOT NULL UNIQUE,
    idempotency_key TEXT,
    created_ms INTEGER NOT NULL,
    deadline_ms INTEGER,
    state INTEGER NOT NULL,
    reason INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    acked_ms INTEGER,
    payload BLOB NOT NULL,
    delivery BLOB NOT NULL
) STRICT;

CREATE INDEX outbox_pending ON outbox (seq) WHERE state < 2;

CREATE UNIQUE INDEX outbox_key ON outbox (idempotency_key) WHERE idempotency_key IS NOT NULL;

-- Read by id alone: the chat may have another name by then. No index on the time, as above.
CREATE TABLE message_secret (
    message_id TEXT NOT NULL,
    chat TEXT NOT NULL,
    sender TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    secret BLOB NOT NULL,
    PRIMARY KEY (message_id, chat, sender)
) STRICT, WITHOUT ROWID;

-- What came before the message whose secret opens it.
CREATE TABLE sealed (
    chat TEXT NOT NULL,
    sender TEXT NOT NULL,
    message_id TEXT NOT NULL,
    target TEXT NOT NULL,
    received_ms INTEGER NOT NULL,
    payload BLOB NOT NULL,
    PRIMARY KEY (chat, sender, message_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX sealed_target ON sealed (target);

-- How far this device is in each part of the state that the account's devices share.
CREATE TABLE app_state_collection (
    name TEXT PRIMARY KEY,
    record BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE app_state_key (
    id BLOB PRIMARY KEY,
    record BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- action: what an entry is about, in the clear.
CREATE TABLE app_state_entry (
    collection TEXT NOT NULL,
    index_mac BLOB NOT NULL,
    value_mac BLOB NOT NULL,
    key_id BLOB NOT NULL,
    version INTEGER NOT NULL,
    action BLOB NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (collection, index_mac)
) STRICT, WITHOUT ROWID;

CREATE INDEX app_state_entry_action ON app_state_entry (action, collection, index_mac);

-- Changes of our own that the server does not have yet.
CREATE TABLE app_state_change (
    seq INTEGER PRIMARY KEY,
    collection TEXT NOT NULL,
    action BLOB NOT NULL,
    is_removal INTEGER NOT NULL,
    version INTEGER NOT NULL,
    value BLOB NOT NULL,
    UNIQUE (collection, action)
) STRICT;
