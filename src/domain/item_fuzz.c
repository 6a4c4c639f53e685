/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/item.h"

#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever parses prints back as the same bytes. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};
    char printed[ITEM_ID_BYTES];
    int64_t pk = -1;

    if (item_id_parse(text, &pk) != OK) {
        CHECK(pk == -1);
        return 0;
    }
    CHECK(pk >= 0);
    item_id_format(pk, printed);
    CHECK(str_equals(text, str_from(printed)));
    return 0;
}
