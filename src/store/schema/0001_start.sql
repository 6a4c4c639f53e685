-- SPDX-License-Identifier: Apache-2.0
-- Ids that the outside knows are 12-byte blobs; *_pk are ours, small and local. *_us are
-- microseconds since 1970. A state is stored as the word that the API shows.

CREATE TABLE meta (name TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID;
-- The newest sequence given out: grows over the whole store, never restarts (store/events.h).
INSERT INTO meta (name, value) VALUES ('sequence', 0);

-- rate_limit: deliveries a second, over all hooks; null: no limit. Deleted: its keys and hooks are
-- gone already, the rest follows piece by piece (store/accounts.h).
CREATE TABLE account (
    account_pk INTEGER PRIMARY KEY AUTOINCREMENT,
    id BLOB NOT NULL UNIQUE,
    name TEXT NOT NULL,
    rate_limit REAL,
    deleted_us INTEGER,
    created_us INTEGER NOT NULL,
    updated_us INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX account_name ON account (name) WHERE deleted_us IS NULL;
CREATE INDEX account_deleted ON account (deleted_us) WHERE deleted_us IS NOT NULL;

-- account_pk is null for an admin key. Scopes are bits (domain/account.h). hint: the key's last
-- four characters, by which its owner knows it again.
CREATE TABLE api_key (
    api_key_pk INTEGER PRIMARY KEY AUTOINCREMENT,
    key_hash BLOB NOT NULL UNIQUE,
    id BLOB NOT NULL UNIQUE,
    account_pk INTEGER REFERENCES account,
    name TEXT NOT NULL,
    hint TEXT NOT NULL,
    scopes INTEGER NOT NULL,
    created_us INTEGER NOT NULL,
    expires_us INTEGER
) STRICT;
CREATE INDEX api_key_account ON api_key (account_pk, api_key_pk);

-- A group numbers its members: an ord is given once and never again. next_ord is the first ord
-- nobody has; live counts the members who are visible and have not left.
CREATE TABLE audience_group (
    group_pk INTEGER PRIMARY KEY AUTOINCREMENT,
    account_pk INTEGER NOT NULL,
    next_ord INTEGER NOT NULL DEFAULT 0,
    live INTEGER NOT NULL DEFAULT 0
) STRICT;

-- The ords that can be seen, [lo, hi). A bulk fills ords that no range covers yet and adds its
-- range last, so that its members appear all at once. Adjacent ranges are merged.
CREATE TABLE group_range (
    group_pk INTEGER NOT NULL,
    lo INTEGER NOT NULL,
    hi INTEGER NOT NULL,
    PRIMARY KEY (group_pk, lo)
) STRICT, WITHOUT ROWID;

CREATE TABLE member (
    group_pk INTEGER NOT NULL,
    ord INTEGER NOT NULL,
    attendee_pk INTEGER NOT NULL,
    left_seq INTEGER,
    PRIMARY KEY (group_pk, ord)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX member_live ON member (attendee_pk, group_pk) WHERE left_seq IS NULL;
CREATE INDEX member_left ON member (attendee_pk, group_pk) WHERE left_seq IS NOT NULL;

-- AUTOINCREMENT, because a number left by an erased person must never name another.
CREATE TABLE attendee (
    attendee_pk INTEGER PRIMARY KEY AUTOINCREMENT,
    account_pk INTEGER NOT NULL,
    id BLOB NOT NULL,
    name TEXT NOT NULL,
    email TEXT NOT NULL,
    email_key TEXT NOT NULL,
    phone TEXT,
    timezone TEXT,
    created_us INTEGER NOT NULL,
    updated_us INTEGER NOT NULL,
    UNIQUE (account_pk, id),
    UNIQUE (account_pk, email_key)
) STRICT;
-- For the account's list, newest first; else a million rows would be sorted for a page.
CREATE INDEX attendee_account ON attendee (account_pk, attendee_pk);

CREATE TABLE mango (
    mango_pk INTEGER PRIMARY KEY AUTOINCREMENT,
    account_pk INTEGER NOT NULL,
    id BLOB NOT NULL,
    name TEXT NOT NULL,
    group_pk INTEGER NOT NULL UNIQUE,
    created_us INTEGER NOT NULL,
    updated_us INTEGER NOT NULL,
    UNIQUE (account_pk, id)
) STRICT;
CREATE INDEX mango_account ON mango (account_pk, mango_pk);

-- A webinar, or a 1-1 consultation, which is one with one attendee. The *_wall_us are the wall
-- clock as it was given, counted as if it were UTC; null where an instant was given.
CREATE TABLE webinar (
    webinar_pk INTEGER PRIMARY KEY AUTOINCREMENT,
    account_pk INTEGER NOT NULL,
    id BLOB NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('webinar', 'consultation')),
    title TEXT NOT NULL,
    link TEXT NOT NULL,
    from_us INTEGER NOT NULL,
    to_us INTEGER NOT NULL,
    from_wall_us INTEGER,
    to_wall_us INTEGER,
    timezone TEXT NOT NULL,
    group_pk INTEGER NOT NULL UNIQUE,
    created_us INTEGER NOT NULL,
    updated_us INTEGER NOT NULL,
    UNIQUE (account_pk, id)
) STRICT;
CREATE INDEX webinar_from ON webinar (account_pk, kind, from_us);
CREATE INDEX webinar_account ON webinar (account_pk, kind, webinar_pk);

CREATE TABLE webinar_mango (
    webinar_pk INTEGER NOT NULL,
    position INTEGER NOT NULL,
    mango_pk INTEGER NOT NULL,
    PRIMARY KEY (webinar_pk, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX webinar_mango_mango ON webinar_mango (mango_pk, webinar_pk);

-- first_failure_us: the first failure since the last success; failing_us: when its breaker opened
-- and hook.failing was sent; learned_rate: what its 429s and 503s have taught. All three are its
-- lane's. Sealed columns: AES-256-GCM under the store's key, bound to the row (store/secrets.h).
CREATE TABLE hook (
    hook_pk INTEGER PRIMARY KEY AUTOINCREMENT,
    account_pk INTEGER NOT NULL,
    id BLOB NOT NULL UNIQUE,
    url TEXT NOT NULL,
    user_info_sealed BLOB,
    event TEXT NOT NULL,
    webinar_id BLOB,
    mango_id BLOB,
    description TEXT NOT NULL,
    headers_sealed BLOB,
    phone_format TEXT NOT NULL,
    signature TEXT NOT NULL,
    secret_sealed BLOB NOT NULL,
    old_secret_sealed BLOB,
    old_secret_until_us INTEGER,
    rate_limit REAL,
    max_in_flight INTEGER NOT NULL,
    status TEXT NOT NULL,
    disabled_by TEXT,
    disabled_us INTEGER,
    first_failure_us INTEGER,
    failing_us INTEGER,
    learned_rate REAL,
    created_us INTEGER NOT NULL,
    updated_us INTEGER NOT NULL
) STRICT;
CREATE INDEX hook_account ON hook (account_pk, event);

-- event_pk is the event's sequence. Of a notice (store/notices.h) webinar_id is zero, and
-- webinar_pk is minus the pk of the hook that it is about, so that its notices keep their order.
-- audience: ordered ranges (domain/audience.h). snapshot: the part of the body that is the same for
-- every attendee (domain/payload.h).
CREATE TABLE event (
    event_pk INTEGER PRIMARY KEY,
    account_pk INTEGER NOT NULL,
    id BLOB NOT NULL UNIQUE,
    type TEXT NOT NULL,
    reason TEXT NOT NULL,
    webinar_pk INTEGER NOT NULL,
    webinar_id BLOB NOT NULL,
    starts_us INTEGER NOT NULL,
    snapshot BLOB NOT NULL,
    audience BLOB NOT NULL,
    created_us INTEGER NOT NULL
) STRICT;
CREATE INDEX event_account ON event (account_pk, event_pk);
CREATE INDEX event_webinar ON event (webinar_id, event_pk);
CREATE INDEX event_type ON event (account_pk, type, event_pk);

-- An event on its way to a hook: a cursor over the audience. All below next_pos is settled, or in a
-- chunk, or in dead. filter_group: only this group's ranges; 0 means the whole audience. round: how
-- often it was replayed; what a lane holds of an earlier round counts no more. late_from: where it
-- is sent out of its time, newer events than this one supersede it at each member; 0: it is in
-- time. changed: grows with each change, over the whole store (GET /stream).
CREATE TABLE fanout (
    fanout_pk INTEGER PRIMARY KEY AUTOINCREMENT,
    event_pk INTEGER NOT NULL,
    hook_pk INTEGER NOT NULL,
    webinar_pk INTEGER NOT NULL,
    filter_group INTEGER NOT NULL,
    next_pos INTEGER NOT NULL DEFAULT 0,
    end_pos INTEGER NOT NULL,
    status TEXT NOT NULL DEFAULT 'sending',
    round INTEGER NOT NULL DEFAULT 0,
    late_from INTEGER NOT NULL DEFAULT 0,
    changed INTEGER NOT NULL DEFAULT 0,
    delivered INTEGER NOT NULL DEFAULT 0,
    dead INTEGER NOT NULL DEFAULT 0,
    skipped INTEGER NOT NULL DEFAULT 0,
    superseded INTEGER NOT NULL DEFAULT 0,
    created_us INTEGER NOT NULL,
    started_us INTEGER,
    finished_us INTEGER,
    UNIQUE (event_pk, hook_pk)
) STRICT;
CREATE INDEX fanout_open ON fanout (hook_pk, event_pk) WHERE status = 'sending';
-- Of each webinar the oldest that has members left goes first.
CREATE INDEX fanout_next ON fanout (hook_pk, webinar_pk, event_pk)
    WHERE status = 'sending' AND next_pos < end_pos;
CREATE INDEX fanout_webinar ON fanout (webinar_pk, hook_pk, event_pk);
CREATE INDEX fanout_changed ON fanout (changed);

-- Members [base, base + count) of a fan-out, with a bit for each that is still to do: in hand when
-- due_us is 0 (after a crash it becomes 1: due at once), else waiting for the next attempt.
-- is_manual: one member whom somebody wants told now; once it is taken up it takes the place of the
-- attempt that waits, and is like any other.
CREATE TABLE chunk (
    chunk_pk INTEGER PRIMARY KEY,
    fanout_pk INTEGER NOT NULL,
    hook_pk INTEGER NOT NULL,
    base INTEGER NOT NULL,
    count INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    due_us INTEGER NOT NULL,
    is_manual INTEGER NOT NULL DEFAULT 0,
    todo BLOB NOT NULL
) STRICT;
CREATE INDEX chunk_due ON chunk (hook_pk, due_us);
CREATE INDEX chunk_fanout ON chunk (fanout_pk, base);

CREATE TABLE dead (
    dead_pk INTEGER PRIMARY KEY,
    fanout_pk INTEGER NOT NULL,
    hook_pk INTEGER NOT NULL,
    base INTEGER NOT NULL,
    count INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    at_us INTEGER NOT NULL,
    todo BLOB NOT NULL
) STRICT;
CREATE INDEX dead_fanout ON dead (fanout_pk, base);
CREATE INDEX dead_hook ON dead (hook_pk, at_us);

-- What was sent, 8 bytes an attempt (domain/delivery.h); append only.
CREATE TABLE attempt_block (
    fanout_pk INTEGER NOT NULL,
    base INTEGER NOT NULL,
    started_us INTEGER NOT NULL,
    records BLOB NOT NULL
) STRICT;
CREATE INDEX attempt_block_fanout ON attempt_block (fanout_pk, base);

-- Samples of failed attempts, with what the endpoint said. The pk grows with time.
CREATE TABLE attempt_failure (
    attempt_failure_pk INTEGER PRIMARY KEY,
    fanout_pk INTEGER NOT NULL,
    pos INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    at_us INTEGER NOT NULL,
    failure TEXT NOT NULL,
    status INTEGER NOT NULL,
    detail TEXT NOT NULL,
    answer BLOB NOT NULL
) STRICT;
CREATE INDEX attempt_failure_fanout ON attempt_failure (fanout_pk, pos, attempt);

-- Answers to POSTs that brought an Idempotency-Key. digest: of account, method, path and key;
-- fields: lines of "name: value". The answer may hold a new secret, so it is sealed.
CREATE TABLE idempotency (
    idempotency_pk INTEGER PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE,
    body_digest BLOB NOT NULL,
    status INTEGER NOT NULL,
    fields TEXT NOT NULL,
    answer_sealed BLOB NOT NULL,
    created_us INTEGER NOT NULL
) STRICT;

-- A bulk upload: its lines wait until all of it has been read and found good (reading), then
-- become attendees and members piece by piece (applying). next_line: lines before it are attendees
-- already. Then [lo, hi) are ords for the newcomers: those up to last_attendee have theirs, below
-- next_ord.
CREATE TABLE bulk (
    bulk_pk INTEGER PRIMARY KEY AUTOINCREMENT,
    account_pk INTEGER NOT NULL,
    group_pk INTEGER NOT NULL,
    webinar_pk INTEGER,
    status TEXT NOT NULL CHECK (status IN ('reading', 'applying')),
    notify INTEGER NOT NULL,
    next_line INTEGER NOT NULL DEFAULT 0,
    newcomers INTEGER NOT NULL DEFAULT 0,
    lo INTEGER,
    hi INTEGER,
    next_ord INTEGER,
    last_attendee INTEGER NOT NULL DEFAULT 0,
    created INTEGER NOT NULL DEFAULT 0,
    updated INTEGER NOT NULL DEFAULT 0,
    unchanged INTEGER NOT NULL DEFAULT 0,
    created_us INTEGER NOT NULL
) STRICT;
-- phone, timezone: null where the line does not say, '' where it says that there is none.
CREATE TABLE bulk_line (
    bulk_pk INTEGER NOT NULL,
    line INTEGER NOT NULL,
    name TEXT NOT NULL,
    email TEXT NOT NULL,
    phone TEXT,
    timezone TEXT,
    PRIMARY KEY (bulk_pk, line)
) STRICT, WITHOUT ROWID;
-- Who was not in the group when their line became an attendee.
CREATE TABLE bulk_newcomer (
    bulk_pk INTEGER NOT NULL,
    attendee_pk INTEGER NOT NULL,
    PRIMARY KEY (bulk_pk, attendee_pk)
) STRICT, WITHOUT ROWID;
