/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One value of a handling by its name, for templates and for columns: all of received_value, and
 * what is known of the item beside its body.
 *
 *   id source event change updated sequence revision received person object sender_id payload
 *
 * `person` is the identity's, else made of the e-mail. `updated` is there only for an update, and
 * `change` says either. `starts` and `ends` are `from` and `to` for a person to read, on the
 * attendee's wall clock, else the creator's, else in UTC: "Friday, 15 March 2024, 15:30
 * (UTC+05:30)".
 */
#ifndef RECEIVE_HANDLING_VALUE_H
#define RECEIVE_HANDLING_VALUE_H

#include "base/buf.h"
#include "receive/handler.h"

bool handling_value_is_known(struct str name);
/* Append the value; false, and nothing appended, when there is none. session: its index, for what
 * is a session's. */
bool handling_value(const struct handling *handling, struct str name, size_t session,
    struct buf *buf);
/* All names, with a comma between them, for a person who mistyped one. */
void handling_value_names(struct buf *buf);

#endif
