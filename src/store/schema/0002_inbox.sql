-- SPDX-License-Identifier: Apache-2.0
-- The inbox: calls that were accepted, in the order in which they came, and what is still owed to
-- the handlers.

-- The newest numbers given out, of items and of refused calls: both follow the clock, and grow over
-- the whole store (store/inbox.h).
INSERT INTO meta (name, value) VALUES ('inbox_sequence', 0), ('quarantine_sequence', 0);

-- Who sends to us; the configuration knows the rest by the name.
CREATE TABLE source (
    source_pk INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE
) STRICT;

-- inbox_pk is the item's sequence: it follows the clock in microseconds and grows over the whole
-- store, also after yesterday's copy was restored. event, object, person: what it is about
-- (domain/identity.h). sender_id: what its sender calls it, or the digest of its bytes where that
-- decides; null: nothing of the kind. flags: bits (domain/item.h). revision: counts the versions of
-- the same identity from 0; previous_pk: the one before; a stale one is no version: 0 and null.
-- headers: lines of "name: value", without what proves the caller.
CREATE TABLE inbox (
    inbox_pk INTEGER PRIMARY KEY,
    source_pk INTEGER NOT NULL,
    event TEXT NOT NULL,
    object TEXT NOT NULL,
    person TEXT NOT NULL,
    sender_id TEXT,
    sender_sequence INTEGER,
    flags INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    previous_pk INTEGER,
    duplicates INTEGER NOT NULL DEFAULT 0,
    received_us INTEGER NOT NULL,
    headers TEXT NOT NULL,
    body BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX inbox_sender ON inbox (source_pk, sender_id) WHERE sender_id IS NOT NULL;

-- Of each thing that calls are about, the newest version; version: digest of the body's meaning.
-- Calls without object and person are about nothing that could be known again, and have no row.
-- The raw values and never a digest of them: neighbours in the fan-out of one webinar are
-- neighbours here.
CREATE TABLE inbox_latest (
    source_pk INTEGER NOT NULL,
    event TEXT NOT NULL,
    object TEXT NOT NULL,
    person TEXT NOT NULL,
    inbox_pk INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    sender_sequence INTEGER,
    version BLOB NOT NULL,
    PRIMARY KEY (source_pk, event, object, person)
) STRICT, WITHOUT ROWID;

-- A handler is a cursor over the inbox: from first_pk, where it began, all below next_pk is
-- settled, or has a row in handling. is_configured: 0 for one that has left the configuration,
-- which owes nothing until it comes back and goes on where it stood.
CREATE TABLE handler (
    handler_pk INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    is_configured INTEGER NOT NULL DEFAULT 1,
    first_pk INTEGER NOT NULL,
    next_pk INTEGER NOT NULL,
    handled INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0,
    passed_over INTEGER NOT NULL DEFAULT 0
) STRICT;

-- An item that a handler still owes: in hand when due_us is 0 (after a crash it becomes 1: due at
-- once), else waiting for its next attempt; dead_us: when it was given up.
CREATE TABLE handling (
    handler_pk INTEGER NOT NULL,
    inbox_pk INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    due_us INTEGER NOT NULL,
    dead_us INTEGER,
    PRIMARY KEY (handler_pk, inbox_pk)
) STRICT, WITHOUT ROWID;
CREATE INDEX handling_due ON handling (handler_pk, due_us) WHERE dead_us IS NULL;
CREATE INDEX handling_dead ON handling (handler_pk, dead_us) WHERE dead_us IS NOT NULL;
CREATE INDEX handling_item ON handling (inbox_pk);

-- What became of attempts that failed, were passed over, or had something to say. Append only.
CREATE TABLE handling_log (
    handling_log_pk INTEGER PRIMARY KEY,
    handler_pk INTEGER NOT NULL,
    inbox_pk INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    at_us INTEGER NOT NULL,
    took_us INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    detail TEXT NOT NULL,
    output BLOB NOT NULL
) STRICT;
CREATE INDEX handling_log_item ON handling_log (inbox_pk, handling_log_pk);

-- Calls that were refused, for a while: a mistyped secret must not cost a webinar. source: the name
-- that was called. call_sealed: token, headers and body (store/quarantine.c), all that is needed to
-- judge it again. bytes: what it counts for.
CREATE TABLE quarantine (
    quarantine_pk INTEGER PRIMARY KEY,
    source TEXT NOT NULL,
    peer TEXT NOT NULL,
    reason TEXT NOT NULL,
    received_us INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    call_sealed BLOB NOT NULL
) STRICT;
CREATE INDEX quarantine_source ON quarantine (source, quarantine_pk);
CREATE INDEX quarantine_peer ON quarantine (peer, quarantine_pk);

-- What the quarantine holds of each caller, and under '' of all: no sum over its rows is needed
-- while somebody floods it.
CREATE TABLE quarantine_room (peer TEXT PRIMARY KEY, bytes INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO quarantine_room (peer, bytes) VALUES ('', 0);
