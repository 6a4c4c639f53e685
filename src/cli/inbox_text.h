/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Items of the inbox and refused calls as text for a person; for scripts there is api/inbox.h.
 */
#ifndef CLI_INBOX_TEXT_H
#define CLI_INBOX_TEXT_H

#include "api/inbox.h"
#include "cli/columns.h"

/* A list of items, and of refused calls. */
void item_columns_init(struct columns *columns, struct arena *arena);
void item_columns_add(struct columns *columns, const struct inbox_row *row);
void refused_columns_init(struct columns *columns, struct arena *arena);
void refused_columns_add(struct columns *columns, const struct quarantined *call);

/* One whole. The arena shows where there was no memory. */
void item_text(struct buf *buf, struct arena *arena, const struct inbox_whole *whole);
/* setup as for write_refused. */
void refused_text(struct buf *buf, struct arena *arena, const struct setup *setup,
    const struct quarantined *call);

#endif
