/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/attendee.h"

#include "base/check.h"

struct str
email_key(struct str email, char buffer[EMAIL_BYTES_MAX])
{
    struct str address = str_trim(email);

    CHECK(address.len <= EMAIL_BYTES_MAX);
    for (size_t i = 0; i < address.len; i++) {
        char c = address.ptr[i];

        buffer[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    return (struct str){buffer, address.len};
}

static bool
is_digits(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
    }
    return true;
}

/* Senders disagree on whether a phone is a text or a number, and forms send "" for none. */
static void
read_phone(struct field_reader *reader, struct str *inout)
{
    const struct json *value;

    if (reader->object == NULL)
        return;
    value = json_find(reader->object, STR("phone"));
    if (value != NULL && value->kind == JSON_NUMBER) {
        (void)field_get(reader, STR("phone"));
        if (is_digits(value->text) && value->text.len <= PHONE_BYTES_MAX)
            *inout = value->text;
        else
            field_fault(reader, STR("phone"),
                "must be digits only when it is a number; send it as a string");
        return;
    }
    if (value != NULL && value->kind == JSON_STRING && value->text.len == 0) {
        (void)field_get(reader, STR("phone"));
        *inout = (struct str){NULL, 0};
        return;
    }
    (void)field_text_or_null(reader, STR("phone"), PHONE_BYTES_MAX, inout);
}

void
attendee_read_details(struct field_reader *reader, struct attendee *inout)
{
    struct str text = {NULL, 0};
    const char *wrong;

    (void)field_text(reader, STR("name"), NAME_BYTES_MAX, &inout->name);
    if (field_text(reader, STR("email"), EMAIL_BYTES_MAX, &text)) {
        wrong = email_is_wrong(text);
        if (wrong != NULL)
            field_fault(reader, STR("email"), "%s", wrong);
        else
            inout->email = text;
    }
    read_phone(reader, &inout->phone);
    if (field_text_or_null(reader, STR("timezone"), ZONE_BYTES_MAX, &text)) {
        wrong = text.ptr != NULL ? zone_is_wrong(text) : NULL;
        if (wrong != NULL)
            field_fault(reader, STR("timezone"), "%s", wrong);
        else
            inout->timezone = text;
    }
}

void
attendee_require(const struct field_reader *reader, const struct attendee *attendee)
{
    field_require(reader, STR("name"), attendee->name);
    field_require(reader, STR("email"), attendee->email);
}

void
attendee_read(struct attendee *inout, struct attendee_wish *ret_wish, const struct json *object,
    bool is_patch, struct faults *faults)
{
    struct field_reader reader;
    struct attendee_wish wish = {.notify = true};

    field_reader_start(&reader, object, faults);
    object_read_own(&reader, is_patch, &inout->id);
    attendee_read_details(&reader, inout);
    attendee_require(&reader, inout);
    (void)field_ids(&reader, STR("mangoes"), WEBINAR_MANGOES_MAX, &wish.mangoes);
    wish.notify = field_notify(&reader);
    field_reader_end(&reader);
    *ret_wish = wish;
}

static bool
is_same_text(struct str a, struct str b)
{
    return (a.ptr == NULL) == (b.ptr == NULL) && str_equals(a, b);
}

bool
attendee_is_same(const struct attendee *a, const struct attendee *b)
{
    return is_same_text(a->name, b->name) && is_same_text(a->email, b->email) &&
           is_same_text(a->phone, b->phone) && is_same_text(a->timezone, b->timezone);
}
