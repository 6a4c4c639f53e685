/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The flush of handling: all that a loop's lanes did since the last one, written in one
 * transaction, while the lanes go on.
 *
 * It changes nothing by halves: until it is on disk it is submitted again and again.
 */
#ifndef RECEIVE_HANDLE_FLUSH_H
#define RECEIVE_HANDLE_FLUSH_H

#include <stdbool.h>

#include "base/err.h"

struct handle;
struct handle_flush;

struct handle_flush *handle_flush_new(struct handle *handle);
void handle_flush_free(struct handle_flush *flush); /* not running; NULL is fine */

/* Gather what the lanes have and submit it; none is under way. */
void handle_flush_start(struct handle_flush *flush);
bool handle_flush_is_running(const struct handle_flush *flush);
/* The last one failed and has not gone through yet. */
bool handle_flush_is_stuck(const struct handle_flush *flush);
/* Submit the stuck one again. */
void handle_flush_again(struct handle_flush *flush);

#endif
