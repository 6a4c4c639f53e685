/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/delivery_id.h"

#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever parses prints back as the same bytes. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};
    struct delivery_id id;
    char printed[DELIVERY_ID_TEXT_BYTES];

    if (delivery_id_parse(text, &id) != OK)
        return 0;
    CHECK(id.sequence >= 0);
    CHECK(delivery_id_format(&id, printed) == size);
    CHECK(str_equals(text, str_from(printed)));
    return 0;
}
