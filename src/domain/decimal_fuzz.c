/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/decimal.h"

#include <string.h>

#include "base/check.h"
#include "base/compiler.h"

#define TEXT_BYTES_MAX 256

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is written is a number again but for its point: 0.DIGITS. */
static void
check_written(const struct decimal *decimal)
{
    char text[TEXT_BYTES_MAX + DECIMAL_EXTRA_BYTES + 2];
    char written[TEXT_BYTES_MAX + DECIMAL_EXTRA_BYTES];
    size_t len = decimal_write(decimal, written);
    size_t sign = len > 0 && written[0] == '-' ? 1 : 0;
    struct decimal back;

    CHECK(len <= decimal->digits.len + DECIMAL_EXTRA_BYTES);
    if (decimal->digits.len == 0) {
        CHECK(str_equals((struct str){written, len}, STR("e0")));
        return;
    }
    memcpy(text, written, sign);
    memcpy(text + sign, "0.", 2);
    memcpy(text + sign + 2, written + sign, len - sign);
    if (decimal_parse((struct str){text, len + 2}, &back) == OK)
        CHECK(decimal_compare(decimal, &back) == 0);
}

/* Two numbers, a line each: they are written alike just when they are equal, and in one order from
 * both sides. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest = {(const char *)data, size};
    struct str lines[2] = {{NULL, 0}, {NULL, 0}};
    struct decimal numbers[2];
    char written[2][TEXT_BYTES_MAX + DECIMAL_EXTRA_BYTES] = {{0}};
    struct str texts[2];

    if (size > TEXT_BYTES_MAX)
        return 0;
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        if (!str_split(&rest, '\n', &lines[i]) || decimal_parse(lines[i], &numbers[i]) != OK)
            return 0;
        check_written(&numbers[i]);
        texts[i] = (struct str){written[i], decimal_write(&numbers[i], written[i])};
    }
    CHECK(decimal_compare(&numbers[0], &numbers[1]) == -decimal_compare(&numbers[1], &numbers[0]));
    CHECK((decimal_compare(&numbers[0], &numbers[1]) == 0) == str_equals(texts[0], texts[1]));
    return 0;
}
