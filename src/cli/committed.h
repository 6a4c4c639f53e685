/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a committed call means for the lanes: hooks with something new to send are woken, and the
 * answer waits until the lanes of changed hooks start nothing in the old way any more, and until no
 * lane has anything in hand for an erased attendee.
 */
#ifndef CLI_COMMITTED_H
#define CLI_COMMITTED_H

struct call;

/* service_options.committed: ends in service_answer. */
void committed_tell(struct call *call);

#endif
