/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text from outside, made fit for a person's terminal.
 *
 * Whoever calls us must not move the cursor, set colours or hide what stands there: control
 * characters, those that turn the direction of writing, and bytes that are no UTF-8 come out as
 * U+FFFD each. All else stays as it is. Pure.
 */
#ifndef CLI_PRINTABLE_H
#define CLI_PRINTABLE_H

#include "base/buf.h"

/* On one line. */
void printable_append(struct buf *buf, struct str text);
/* Line ends and tabs stay; a carriage return before a line end is dropped. */
void printable_append_lines(struct buf *buf, struct str text);

#endif
