/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Retry-After: how long an endpoint asks to be left alone (RFC 9110 §10.2.3).
 *
 * Pure, and forgiving in one way only: rubbish is refused, for the caller to pass over as if
 * nothing had been asked. Whatever is asked, nobody is left alone for longer than a day.
 */
#ifndef DOMAIN_RETRY_AFTER_H
#define DOMAIN_RETRY_AFTER_H

#include <stdint.h>

#include "base/moment.h"
#include "base/str.h"

#define RETRY_AFTER_US_MAX US_PER_DAY

/* Seconds, a fraction allowed ("1.5": some servers send it), or an HTTP date in any of its three
 * forms, taken against now; one in the past is 0. More than RETRY_AFTER_US_MAX is cut to it. */
MUST_CHECK enum err retry_after_parse(struct str text, struct walltime now, int64_t *ret_us);

#endif
