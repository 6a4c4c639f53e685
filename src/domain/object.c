/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/object.h"

#include <string.h>

#include "domain/timezone.h"

void
object_read_own(struct field_reader *reader, bool is_patch, struct id *inout_id)
{
    static const char *const ours[] = {"createdAt", "updatedAt"};

    if (!is_patch)
        (void)field_id(reader, STR("id"), inout_id);
    else if (field_get(reader, STR("id")) != NULL)
        field_fault(reader, STR("id"), "cannot be changed; leave it out");

    for (size_t i = 0; i < COUNT_OF(ours); i++) {
        /* Asked of the tree, not of the reader: they are not to be listed as known fields. */
        if (reader->object != NULL && json_find(reader->object, str_from(ours[i])) != NULL) {
            (void)field_get(reader, str_from(ours[i]));
            field_fault(reader, str_from(ours[i]), "is set by the server; leave it out");
        }
    }
}

bool
field_id(struct field_reader *reader, struct str name, struct id *inout)
{
    const struct json *value = field_get(reader, name);

    if (value == NULL)
        return false;
    if (value->kind == JSON_STRING && id_parse(value->text, inout) == OK)
        return true;
    field_fault(reader, name, "must be an id of 24 hex digits");
    return false;
}

static struct str
item_pointer(const struct field_reader *reader, struct str name, size_t index)
{
    struct str list = field_pointer(reader, name);

    return arena_printf(reader->faults->arena, "%.*s/%zu", STR_FMT(list), index);
}

static bool
take_id(struct field_reader *reader, struct str name, const struct json *item, struct id_list *list)
{
    struct id *id = &list->ids[list->count];
    struct str pointer;

    if (item->kind == JSON_STRING && id_parse(item->text, id) == OK) {
        for (size_t i = 0; i < list->count; i++) {
            if (id_equals(list->ids[i], *id)) {
                pointer = item_pointer(reader, name, list->count);
                fault_add(reader->faults, pointer, "is in the list already, as number %zu", i);
                return false;
            }
        }
        return true;
    }
    pointer = item_pointer(reader, name, list->count);
    fault_add(reader->faults, pointer, "must be an id of 24 hex digits");
    return false;
}

bool
field_ids(struct field_reader *reader, struct str name, size_t count_max, struct id_list *inout)
{
    const struct json *value = field_get(reader, name);
    struct id_list list = {.is_given = true};
    bool right = true;

    if (value == NULL)
        return false;
    if (value->kind == JSON_NULL) {
        *inout = list;
        return true;
    }
    if (value->kind != JSON_ARRAY) {
        field_fault(reader, name, "must be a list of ids, not %s", json_kind_name(value->kind));
        return false;
    }
    if (value->count > count_max) {
        field_fault(reader, name, "must have at most %zu ids, not %zu", count_max, value->count);
        return false;
    }
    list.ids = arena_alloc_array(reader->faults->arena, value->count + 1, sizeof(*list.ids));
    if (list.ids == NULL) {
        field_fault(reader, name, "is too large");
        return false;
    }
    for (const struct json *item = value->first; item != NULL; item = item->next) {
        right &= take_id(reader, name, item, &list);
        list.count++;
    }
    if (right)
        *inout = list;
    return right;
}

bool
field_notify(struct field_reader *reader)
{
    bool notify = true;

    (void)field_bool(reader, STR("notify"), &notify);
    return notify;
}

void
field_require(const struct field_reader *reader, struct str name, struct str value)
{
    /* One that is there and wrong was named already. */
    if (value.ptr == NULL && reader->object != NULL && json_find(reader->object, name) == NULL)
        field_fault(reader, name, "is required");
}

const char *
email_is_wrong(struct str email)
{
    struct str address = str_trim(email);
    size_t at = str_find(address, '@', 0);

    if (address.len == 0)
        return "must not be empty";
    if (email.len > EMAIL_BYTES_MAX)
        return "must be at most 320 bytes";
    for (size_t i = 0; i < address.len; i++) {
        unsigned char c = (unsigned char)address.ptr[i];

        if (c <= 0x20 || c == 0x7f)
            return "must not have spaces or control characters inside";
    }
    if (at == SIZE_MAX || str_find(address, '@', at + 1) != SIZE_MAX)
        return "must have exactly one @";
    if (at == 0 || at + 1 == address.len)
        return "must have something on both sides of the @";
    return NULL;
}

const char *
zone_is_wrong(struct str name)
{
    int32_t minutes;

    if (name.len <= ZONE_BYTES_MAX &&
        (utc_offset_parse(name, &minutes) == OK || zone_name_is_sane(name)))
        return NULL;
    return "must be a time zone's name such as \"Asia/Kolkata\", or an offset such as \"+05:30\"";
}

static bool
is_scheme_char(char c, bool is_first)
{
    bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

    return is_letter || (!is_first && ((c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.'));
}

const char *
link_is_wrong(struct str link)
{
    static const char *const run_by_browsers[] = {"javascript", "data", "vbscript"};
    size_t colon = str_find(link, ':', 0);
    struct str scheme = str_slice(link, 0, colon);
    struct str rest;

    if (colon == SIZE_MAX || colon == 0 || colon + 1 == link.len)
        return "must be a whole link such as \"https://meet.example.com/abc\"";
    for (size_t i = 0; i < scheme.len; i++) {
        if (!is_scheme_char(scheme.ptr[i], i == 0))
            return "must be a whole link such as \"https://meet.example.com/abc\"";
    }
    for (size_t i = 0; i < link.len; i++) {
        unsigned char c = (unsigned char)link.ptr[i];

        if (c <= 0x20 || c == 0x7f || strchr("\"<>\\^`{|}", c) != NULL)
            return "must not have spaces, control characters or any of \" < > \\ ^ ` { | }";
    }
    for (size_t i = 0; i < COUNT_OF(run_by_browsers); i++) {
        if (str_equals_nocase(scheme, str_from(run_by_browsers[i])))
            return "must not be a link that a browser would run";
    }
    if (!str_equals_nocase(scheme, STR("http")) && !str_equals_nocase(scheme, STR("https")))
        return NULL;
    rest = str_slice(link, colon + 1, link.len);
    if (!str_starts(rest, STR("//")) || rest.len == 2 || strchr("/?#:@", rest.ptr[2]) != NULL)
        return "must name a host, as in \"https://meet.example.com/abc\"";
    return NULL;
}
