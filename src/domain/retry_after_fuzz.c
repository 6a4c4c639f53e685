/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/retry_after.h"

#include <stdbool.h>

#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever is understood is between nothing and a day; what is a date comes nearer by a second in
 * a second, what is a number of seconds does not depend on the clock. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};
    /* 1994-11-06T08:49:37Z, the date of RFC 9110's examples */
    struct walltime now = {INT64_C(784111777) * US_PER_S};
    struct walltime next = {now.us + US_PER_S};
    int64_t us = -1;
    int64_t next_us = -1;
    bool is_number;

    if (retry_after_parse(text, now, &us) != OK) {
        CHECK(us == -1);
        return 0;
    }
    CHECK(us >= 0 && us <= RETRY_AFTER_US_MAX);
    CHECK(retry_after_parse(text, next, &next_us) == OK);
    text = str_trim(text);
    is_number = text.ptr[0] >= '0' && text.ptr[0] <= '9';
    if (is_number || us == 0)
        CHECK(next_us == us);
    else if (us < RETRY_AFTER_US_MAX)
        CHECK(next_us == us - US_PER_S);
    return 0;
}
