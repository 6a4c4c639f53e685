/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/listen_show.h"

#include <usher/usher.h>

#include "base/check.h"

#define SAY_BYTES_MAX ((size_t)4 * 1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first line is the value of every header, the rest is the body: whatever a caller sends, what
 * is shown is UTF-8, moves no cursor, and says of no made-up signature that it is right. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};
    struct str value = str_slice(text, 0, str_find(text, '\n', 0));
    const struct http_field fields[] = {
        {STR("x-usher-event"), value},
        {STR("x-usher-reason"), value},
        {STR("webhook-id"), value},
        {STR("webhook-timestamp"), STR("1710496800")},
        {STR("webhook-signature"), value},
    };
    const struct http_head head = {
        .method = STR("POST"),
        .target = STR("/"),
        .fields = fields,
        .field_count = COUNT_OF(fields),
    };
    const struct shown_call call = {
        .number = 1,
        .at = {INT64_C(1710496800) * US_PER_S},
        .head = &head,
        .body = str_slice(text, value.len + 1, text.len),
        .shows_body = true,
    };
    struct usher_verifier *verifier = NULL;
    struct str shown;
    struct buf say;

    CHECK(usher_verifier_new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", NULL, LISTEN_TOLERANCE_S,
              &verifier) == USHER_OK);
    buf_init(&say, SAY_BYTES_MAX);
    call_show(&call, verifier, &say);
    shown = buf_str(&say);
    CHECK(str_is_utf8(shown));
    for (size_t i = 0; i < shown.len; i++)
        CHECK((unsigned char)shown.ptr[i] >= ' ' || shown.ptr[i] == '\n' || shown.ptr[i] == '\t');
    for (size_t at = 0; at != SIZE_MAX; at = str_find(shown, '\n', at + 1)) {
        struct str line = str_slice(shown, at + 1, shown.len);

        CHECK(!str_starts(line, STR("    signature  right")));
    }
    buf_done(&say);
    usher_verifier_free(verifier);
    return 0;
}
