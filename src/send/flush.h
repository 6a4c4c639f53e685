/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The flush: all that a loop's lanes did since the last one, copied out and written in one
 * transaction, so that the lanes go on meanwhile.
 *
 * It changes nothing by halves: until it is on disk it is submitted again and again.
 */
#ifndef SEND_FLUSH_H
#define SEND_FLUSH_H

#include <stdbool.h>

#include "base/err.h"

struct dispatch;
struct flush;

struct flush *flush_new(struct dispatch *dispatch);
void flush_free(struct flush *flush);

/* Gather what the dirty lanes have and submit it; none is under way. */
void flush_start(struct flush *flush);
bool flush_is_running(const struct flush *flush);
/* The last one failed and has not gone through yet. */
bool flush_is_stuck(const struct flush *flush);
/* Submit the stuck one again. */
void flush_again(struct flush *flush);

#endif
