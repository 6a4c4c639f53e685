/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the inbox share: how an item's row is read, when a handler owes it, and how
 * items go with all that hangs on them. For store/ alone.
 */
#ifndef STORE_INBOX_INSIDE_H
#define STORE_INBOX_INSIDE_H

#include "store/inbox.h"

/* Columns 0 to 13 of an item's row, and behind them where it is read whole. */
#define ITEM_COLUMNS                                                                               \
    "i.inbox_pk, i.source_pk, s.name, i.event, i.object, i.person, i.sender_id,"                   \
    " i.sender_sequence, i.flags, i.revision, i.previous_pk, i.duplicates, i.received_us,"         \
    " NOT EXISTS (SELECT 1 FROM inbox_latest l WHERE l.source_pk = i.source_pk"                    \
    " AND l.event = i.event AND l.object = i.object AND l.person = i.person"                       \
    " AND l.inbox_pk > i.inbox_pk)"
#define ITEM_WHOLE_COLUMNS ITEM_COLUMNS ", i.headers, i.body"
#define ITEM_TABLES        "inbox i JOIN source s ON s.source_pk = i.source_pk"

enum {
    ITEM_PK,
    ITEM_SOURCE_PK,
    ITEM_SOURCE,
    ITEM_EVENT,
    ITEM_OBJECT,
    ITEM_PERSON,
    ITEM_SENDER_ID,
    ITEM_SENDER_SEQUENCE,
    ITEM_FLAGS,
    ITEM_REVISION,
    ITEM_PREVIOUS,
    ITEM_DUPLICATES,
    ITEM_RECEIVED,
    ITEM_IS_NEWEST,
    ITEM_HEADERS,
    ITEM_BODY,
    ITEM_END
};

/* ITEM_STALE, as SQL has to spell it. */
#define ITEM_IS_STALE "(i.flags & 4) <> 0"

/* Does a handler still owe item i? Its cursor has not come to it, or there is a row that waits. */
#define ITEM_WAITS                                                                                 \
    "EXISTS (SELECT 1 FROM handler h LEFT JOIN handling g ON g.handler_pk = h.handler_pk"          \
    " AND g.inbox_pk = i.inbox_pk WHERE h.is_configured = 1 AND CASE WHEN g.inbox_pk IS NULL"      \
    " THEN h.next_pk <= i.inbox_pk AND NOT " ITEM_IS_STALE " ELSE g.dead_us IS NULL END)"
#define ITEM_IS_DEAD                                                                               \
    "EXISTS (SELECT 1 FROM handling g WHERE g.inbox_pk = i.inbox_pk AND g.dead_us IS NOT NULL)"

/* Texts are the arena's, which shows whether it is full; headers and body only of a whole one. */
struct inbox_item item_read(struct rows *rows, struct arena *arena, bool is_whole);

/* Items with numbers in (after_pk, last_pk] that were received before `before`: they go, and what
 * is known of their identity, what handlers owe of them and what they said. engine_changes is the
 * number of items. */
MUST_CHECK enum err items_delete(struct engine *engine, int64_t after_pk, int64_t last_pk,
    struct walltime before, struct error *reterr);

/* Is the address (with an @, of any case) in it, and not as a piece of another one? */
bool text_holds_email(struct str text, struct str email);
/* The same of JSON, also where it is written with escapes. scratch is emptied. */
bool body_holds_email(struct str body, struct str email, struct arena *scratch);

#endif
