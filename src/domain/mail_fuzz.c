/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/mail.h"

#include "support/mime.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* An address that is taken stands in a header and in an envelope as it is. */
static void
check_address(struct str text)
{
    struct mail_address address;

    if (mail_address_parse(text, &address, NULL) != OK)
        return;
    CHECK(mail_email_is_sane(address.email));
    for (size_t i = 0; i < address.email.len; i++)
        CHECK(address.email.ptr[i] > 0x20 && address.email.ptr[i] < 0x7f &&
              strchr("<>\"(),:;\\[]", address.email.ptr[i]) == NULL);
}

/* Any text as subject, as name and as text: the same fields in the same order, lines that are ASCII
 * and not too long, and the subject and the text come back. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"Date: ", "From: ", "To: ", "Subject: ", "Message-ID: ",
        "Auto-Submitted: ", "MIME-Version: ", "Content-Type: ", "Content-Transfer-Encoding: "};
    struct str text = {(const char *)data, size};
    const struct mail mail = {
        .from = {text, STR("sam@example.com")},
        .to = {text, STR("ann@example.org")},
        .subject = text,
        .id = STR("in_1"),
        .text = text,
    };
    struct buf buf;
    struct buf value;
    struct buf read;
    struct str rest;
    size_t fields = 0;
    size_t head_end;

    check_address(text);
    if (size > 20000)
        return 0;
    buf_init(&buf, MAIL_BYTES_MAX);
    buf_init(&value, MAIL_BYTES_MAX);
    buf_init(&read, MAIL_BYTES_MAX);
    mail_format(&mail, &buf);
    head_end = mime_find(buf_str(&buf), STR("\r\n\r\n"));
    CHECK(!buf_is_full(&buf) && head_end != SIZE_MAX);
    for (rest = str_slice(buf_str(&buf), 0, head_end + 2); rest.len > 0;) {
        struct str line = mime_line(&rest, 78);

        if (line.ptr[0] != ' ') {
            CHECK(fields < COUNT_OF(names) && str_starts(line, str_from(names[fields])));
            fields++;
        }
    }
    CHECK(fields == COUNT_OF(names));

    mime_header(str_slice(buf_str(&buf), 0, head_end + 2), "Subject", &value);
    mime_words(buf_str(&value), &read);
    CHECK(read.len == size);
    for (size_t i = 0; i < size; i++)
        CHECK(read.ptr[i] == (data[i] < 0x20 || data[i] == 0x7f ? ' ' : (char)data[i]));

    buf_clear(&read);
    mime_quoted_printable(str_slice(buf_str(&buf), head_end + 4, buf.len), &read);
    rest = buf_str(&read);
    for (size_t i = 0; i < size; i++) {
        if (data[i] == '\r' && i + 1 < size && data[i + 1] == '\n')
            continue;
        CHECK(rest.len > 0 && rest.ptr[0] == (char)data[i]);
        rest = str_slice(rest, 1, rest.len);
    }
    CHECK(rest.len == 0 || (rest.len == 1 && rest.ptr[0] == '\n'));
    buf_done(&read);
    buf_done(&value);
    buf_done(&buf);
    return 0;
}
