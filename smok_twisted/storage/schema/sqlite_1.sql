-- The embedded store, first version. Times are microseconds since 1970 UTC.
-- SQLite has no u64: a device id from 2^63 on stands as the negative number with the same bits.

CREATE TABLE device (
    number INTEGER PRIMARY KEY AUTOINCREMENT,   -- never given again: old history is not taken for a new device's
    device_id INTEGER NOT NULL UNIQUE,
    name TEXT NOT NULL,
    site TEXT NOT NULL,
    model TEXT NOT NULL,
    model_version TEXT,
    link TEXT NOT NULL,
    suite INTEGER NOT NULL,
    may_write INTEGER NOT NULL,
    replay_weak INTEGER NOT NULL,
    read_only INTEGER NOT NULL,
    allow_from TEXT NOT NULL,                   -- JSON array
    allow_until_us INTEGER,
    timezone TEXT,
    created_us INTEGER NOT NULL,
    boot INTEGER,                               -- the cursor: the newest batch that is durable
    batch INTEGER
);

CREATE TABLE model (
    saved INTEGER PRIMARY KEY,                  -- the highest of a name is its current version
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    text TEXT NOT NULL,
    created_us INTEGER NOT NULL,
    UNIQUE (name, version)
);

CREATE TABLE plan (
    device INTEGER NOT NULL REFERENCES device ON DELETE CASCADE,
    number INTEGER NOT NULL,
    model TEXT NOT NULL,
    version TEXT NOT NULL,
    blocks TEXT NOT NULL,                       -- JSON: one array per block
    PRIMARY KEY (device, number)
) WITHOUT ROWID;

CREATE TABLE credential (
    device INTEGER NOT NULL REFERENCES device ON DELETE CASCADE,
    kid INTEGER NOT NULL,
    suite INTEGER NOT NULL,
    wrapped BLOB NOT NULL,
    created_us INTEGER NOT NULL,
    logins INTEGER NOT NULL,
    state TEXT NOT NULL,
    PRIMARY KEY (device, kid)
) WITHOUT ROWID;

CREATE TABLE nonces (
    device INTEGER PRIMARY KEY REFERENCES device ON DELETE CASCADE,
    memory BLOB NOT NULL
);

-- One row per poll, with the raw words. It outlives its device until the next daily clean-up.
CREATE TABLE report (
    device INTEGER NOT NULL,
    time_us INTEGER NOT NULL,
    boot INTEGER NOT NULL,
    batch INTEGER NOT NULL,
    round INTEGER NOT NULL,
    plan INTEGER NOT NULL,
    flags INTEGER NOT NULL,
    blocks BLOB NOT NULL,
    PRIMARY KEY (device, time_us, boot, batch, round)
) WITHOUT ROWID;

CREATE TABLE latest (
    device INTEGER NOT NULL REFERENCES device ON DELETE CASCADE,
    plan INTEGER NOT NULL,
    block INTEGER NOT NULL,
    time_us INTEGER NOT NULL,
    flags INTEGER NOT NULL,
    blocks BLOB NOT NULL,                       -- a report of this block alone
    PRIMARY KEY (device, plan, block)
) WITHOUT ROWID;

CREATE TABLE command (
    seq INTEGER PRIMARY KEY,
    command_id TEXT NOT NULL UNIQUE,
    device INTEGER NOT NULL REFERENCES device ON DELETE CASCADE,
    state TEXT NOT NULL,
    requested_us INTEGER NOT NULL,
    who TEXT NOT NULL,
    point TEXT,
    expires_us INTEGER,
    idempotency_key TEXT,
    body TEXT NOT NULL,                         -- JSON
    UNIQUE (device, idempotency_key)
);
CREATE INDEX command_of_device ON command (device);
CREATE INDEX command_pending ON command (state) WHERE state IN ('queued', 'sent');

CREATE TABLE audit (
    seq INTEGER PRIMARY KEY,
    time_us INTEGER NOT NULL,
    who TEXT NOT NULL,
    source TEXT NOT NULL,
    device_id INTEGER,
    action TEXT NOT NULL,
    detail TEXT NOT NULL,                       -- JSON
    previous_hash BLOB NOT NULL,
    hash BLOB NOT NULL
);
CREATE INDEX audit_of_device ON audit (device_id);

CREATE TABLE event (
    event_id INTEGER PRIMARY KEY AUTOINCREMENT,
    time_us INTEGER NOT NULL,
    kind TEXT NOT NULL,
    severity TEXT NOT NULL,
    text TEXT NOT NULL,
    device_id INTEGER,
    detail TEXT NOT NULL,                       -- JSON
    acknowledged_by TEXT
);
CREATE INDEX event_of_device ON event (device_id);

CREATE TABLE setting (
    name TEXT PRIMARY KEY,
    text TEXT NOT NULL
) WITHOUT ROWID;
