/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/contact.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
holds(const char *text, size_t len, struct str what)
{
    for (size_t at = 0; at + what.len <= len; at++)
        if (str_equals_nocase((struct str){text + at, what.len}, what))
            return true;
    return false;
}

/* Neither is found any more; what is not blanked is as it was, and once is enough. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct str email = STR("ann@example.com");
    const struct str phone = STR("+91 98765-43210");
    char *text = malloc(size + 1);
    char *again = malloc(size + 1);

    CHECK(text != NULL && again != NULL);
    if (size > 0)
        memcpy(text, data, size);
    contact_blank(text, size, email, phone);
    CHECK(!holds(text, size, email));
    CHECK(!holds(text, size, STR("919876543210")));
    for (size_t i = 0; i < size; i++)
        CHECK(text[i] == '*' || text[i] == (char)data[i]);
    memcpy(again, text, size);
    contact_blank(again, size, email, phone);
    CHECK(memcmp(again, text, size) == 0);
    free(text);
    free(again);
    return 0;
}
