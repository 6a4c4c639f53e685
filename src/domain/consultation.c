/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/consultation.h"

static void
read_mango(struct field_reader *reader, struct id_list *inout)
{
    struct id_list list = {.is_given = true};

    if (reader->object == NULL)
        return;
    list.ids = ARENA_NEW(reader->faults->arena, struct id);
    if (list.ids == NULL) {
        field_fault(reader, STR("mango"), "is too large");
        return;
    }
    const struct json *value = json_find(reader->object, STR("mango"));
    if (value != NULL && value->kind == JSON_NULL) {
        (void)field_get(reader, STR("mango"));
        *inout = list;
    } else if (field_id(reader, STR("mango"), list.ids)) {
        list.count = 1;
        *inout = list;
    }
}

static void
read_attendee(struct field_reader *reader, bool is_patch, struct consultation_wish *wish)
{
    const struct json *value;

    if (reader->object == NULL)
        return;
    value = field_get(reader, STR("attendee"));
    if (value == NULL) {
        if (!is_patch)
            field_fault(reader, STR("attendee"), "is required");
    } else if (value->kind == JSON_STRING && id_parse(value->text, &wish->attendee_id) == OK) {
        return;
    } else if (value->kind == JSON_OBJECT && !is_patch) {
        wish->attendee = value;
    } else if (value->kind == JSON_OBJECT) {
        field_fault(reader, STR("attendee"),
            "must be an attendee's id here; their details are edited under /attendees");
    } else {
        field_fault(reader, STR("attendee"),
            "must be an attendee's id, or an object with"
            " name, email, phone and timezone");
    }
}

void
consultation_read(struct webinar *inout, struct consultation_wish *ret_wish,
    const struct json *object, bool is_patch, struct faults *faults)
{
    struct field_reader reader;
    struct consultation_wish wish = {.notify = true};

    field_reader_start(&reader, object, faults);
    object_read_own(&reader, is_patch, &inout->id);
    webinar_read_details(&reader, inout);
    read_mango(&reader, &wish.mango);
    read_attendee(&reader, is_patch, &wish);
    wish.notify = field_notify(&reader);
    field_reader_end(&reader);
    *ret_wish = wish;
}
