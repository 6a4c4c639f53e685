/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/bulk.h"

#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
append_field(struct buf *out, bool is_given, struct str text)
{
    buf_printf(out, " %d %zu:", is_given, text.len);
    buf_append_str(out, text);
}

static void
on_line(const struct bulk_line *line, void *arg)
{
    struct buf *out = arg;
    const struct attendee *attendee = &line->attendee;

    CHECK(text_is_wrong(attendee->name) == NULL && attendee->name.len <= NAME_BYTES_MAX);
    CHECK(email_is_wrong(attendee->email) == NULL);
    CHECK(str_is_utf8(attendee->name) && str_is_utf8(attendee->email));
    CHECK(attendee->phone.len <= PHONE_BYTES_MAX && attendee->timezone.len <= ZONE_BYTES_MAX);
    CHECK(line->has_phone || attendee->phone.ptr == NULL);
    CHECK(line->has_timezone || attendee->timezone.ptr == NULL);
    buf_printf(out, "%lld", (long long)line->number);
    append_field(out, true, attendee->name);
    append_field(out, true, attendee->email);
    append_field(out, line->has_phone, attendee->phone);
    append_field(out, line->has_timezone, attendee->timezone);
    buf_append_char(out, '\n');
}

static void
on_bad_line(int64_t number, const struct faults *faults, void *arg)
{
    struct buf *out = arg;

    CHECK(faults->count > 0);
    buf_printf(out, "%lld wrong\n", (long long)number);
    for (size_t i = 0; i < faults->count; i++) {
        CHECK(str_starts(faults->list[i].pointer, STR("/lines/")));
        CHECK(str_is_utf8(faults->list[i].detail));
        buf_append_str(out, faults->list[i].pointer);
        buf_append_str(out, faults->list[i].detail);
    }
}

static void
read_lines(enum bulk_format format, struct str text, size_t step, struct buf *out)
{
    struct bulk_reader_events events = {on_line, on_bad_line, out};
    struct bulk_reader *reader = NULL;

    buf_init(out, 256 << 20);
    CHECK(bulk_reader_new(format, &events, &reader) == OK);
    for (size_t at = 0; at < text.len; at += step)
        CHECK(bulk_reader_feed(reader, str_slice(text, at, at + step)) == OK);
    CHECK(bulk_reader_end(reader) == OK);
    bulk_reader_free(reader);
}

/* The first byte says which format and how long the pieces are: the lines do not depend on how the
 * bytes are cut, and every line that is taken keeps the rules of an attendee. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf whole;
    struct buf cut;
    enum bulk_format format;
    struct str text;

    if (size < 2)
        return 0;
    format = data[0] % 2 == 0 ? BULK_NDJSON : BULK_CSV;
    text = (struct str){(const char *)data + 1, size - 1};
    read_lines(format, text, text.len, &whole);
    read_lines(format, text, (size_t)data[0] / 2 + 1, &cut);
    CHECK(str_equals(buf_str(&whole), buf_str(&cut)));
    buf_done(&whole);
    buf_done(&cut);
    return 0;
}
