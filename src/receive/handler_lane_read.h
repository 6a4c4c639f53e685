/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A lane's look into the store: attempts that are due, and what comes next in the inbox.
 *
 * Items are made on the store's thread, and there it is seen whether they are for this handler at
 * all; what that takes the body for is seen when their turn comes.
 */
#ifndef RECEIVE_HANDLER_LANE_READ_H
#define RECEIVE_HANDLER_LANE_READ_H

#include "receive/handler_lane.h"

/* Submit one; none is under way. ERR_BUSY, ERR_NOMEM: nothing was done. */
MUST_CHECK enum err handler_lane_read_start(struct handler_lane *lane, bool takes_due);

#endif
