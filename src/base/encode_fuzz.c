/* SPDX-License-Identifier: Apache-2.0 */
#include "base/encode.h"

#include <stdlib.h>

#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct form {
    void (*append)(struct buf *buf, const void *bytes, size_t len);
    enum err (*decode)(struct str text, void *out, size_t capacity, size_t *ret_len);
    bool (*equals)(struct str a, struct str b);
};

static const struct form forms[] = {
    {hex_append, hex_decode, str_equals_nocase},
    {base64_append, base64_decode, str_equals},
    {base64url_append, base64url_decode, str_equals},
    {base32_append, base32_decode, str_equals},
};

/* What decodes is encoded as the same text: no two texts stand for the same bytes. */
static void
check_text(const struct form *form, struct str text)
{
    CLEANUP(buf_done) struct buf again;
    char *bytes = malloc(text.len > 0 ? text.len : 1);
    size_t len;

    CHECK(bytes != NULL);
    buf_init(&again, 2 * text.len);
    if (form->decode(text, bytes, text.len, &len) == OK) {
        form->append(&again, bytes, len);
        CHECK(!buf_is_full(&again));
        CHECK(form->equals(text, buf_str(&again)));
    }
    free(bytes);
}

/* What encodes is decoded as the same bytes. */
static void
check_bytes(const struct form *form, struct str bytes)
{
    CLEANUP(buf_done) struct buf text;
    char *again = malloc(bytes.len > 0 ? bytes.len : 1);
    size_t len;

    CHECK(again != NULL);
    buf_init(&text, 2 * bytes.len + 2);
    form->append(&text, bytes.ptr, bytes.len);
    CHECK(!buf_is_full(&text));
    CHECK(form->decode(buf_str(&text), again, bytes.len, &len) == OK);
    CHECK(str_equals(bytes, (struct str){again, len}));
    free(again);
}

/* Escapes have many forms, so here what is plain must come back plain. */
static void
check_percent(struct str text)
{
    CLEANUP(buf_done) struct buf plain;
    CLEANUP(buf_done) struct buf escaped;
    CLEANUP(buf_done) struct buf again;

    buf_init(&plain, text.len);
    buf_init(&escaped, 3 * text.len);
    buf_init(&again, text.len);
    if (percent_decode(text, &plain) != OK)
        return;
    percent_append(&escaped, buf_str(&plain));
    CHECK(!buf_is_full(&escaped));
    CHECK(percent_decode(buf_str(&escaped), &again) == OK);
    CHECK(str_equals(buf_str(&plain), buf_str(&again)));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};

    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        check_text(&forms[i], text);
        check_bytes(&forms[i], text);
    }
    check_percent(text);
    return 0;
}
