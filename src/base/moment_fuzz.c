/* SPDX-License-Identifier: Apache-2.0 */
#include "base/moment.h"

#include <string.h>

#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What parses is printed as a moment that is the same but for its microseconds, and prints as
 * itself from then on. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct walltime at;
    struct walltime again;
    char text[WALLTIME_TEXT_BYTES];
    char text_again[WALLTIME_TEXT_BYTES];

    if (walltime_parse((struct str){(const char *)data, size}, &at) != OK)
        return 0;
    walltime_format(at, text);
    CHECK(walltime_parse(str_from(text), &again) == OK);
    CHECK(at.us >= again.us && at.us - again.us < US_PER_MS);
    walltime_format(again, text_again);
    CHECK(strcmp(text, text_again) == 0);
    return 0;
}
