/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/identity.h"

#include <stdlib.h>
#include <string.h>

#include "domain/decimal.h"

/* The body of one webinar takes two thirds of it. */
#define OUT_BYTES_FIRST 1024

/* Objects with more members are sorted in the arena. */
#define MEMBERS_SORTED_MAX 32

/* "-9223372036854775808" */
#define INT_BYTES 20

#define OBJECT_PARTS_MAX 4

/* Object and person are a key of the store; a longer one is known by its digest. */
#define KEY_BYTES_MAX 512

/* Bytes that grow in an arena. A full arena drops what is added, and shows itself. */
struct out {
    struct arena *arena;
    char *ptr;
    size_t len;
    size_t capacity;
    size_t capacity_first;
};

/* Room for len more bytes, or NULL. */
static char *
reserve(struct out *out, size_t len)
{
    size_t capacity = out->capacity > 0 ? out->capacity : out->capacity_first;
    char *ptr;

    if (len <= out->capacity - out->len)
        return out->ptr + out->len;
    while (capacity - out->len < len)
        capacity *= 2;
    ptr = arena_alloc(out->arena, capacity);
    if (ptr == NULL)
        return NULL;
    if (out->len > 0)
        memcpy(ptr, out->ptr, out->len);
    out->ptr = ptr;
    out->capacity = capacity;
    return ptr + out->len;
}

static void
put(struct out *out, struct str bytes)
{
    char *place = bytes.len > 0 ? reserve(out, bytes.len) : NULL;

    if (place == NULL)
        return;
    memcpy(place, bytes.ptr, bytes.len);
    out->len += bytes.len;
}

static void
put_char(struct out *out, char c)
{
    char *place = reserve(out, 1);

    if (place == NULL)
        return;
    *place = c;
    out->len++;
}

/* "5:hello": whatever follows, it cannot be read as part of it. */
static void
put_text(struct out *out, struct str text)
{
    char digits[INT_BYTES];
    size_t at = sizeof(digits);
    size_t rest = text.len;

    digits[--at] = ':';
    do {
        digits[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    put(out, (struct str){digits + at, sizeof(digits) - at});
    put(out, text);
}

static void
put_number(struct out *out, struct str text)
{
    struct decimal decimal;
    char *place;

    /* What has an absurd exponent is itself only when it is written so. */
    if (decimal_parse(text, &decimal) != OK) {
        put_char(out, 'x');
        put_text(out, text);
        return;
    }
    place = reserve(out, text.len + DECIMAL_EXTRA_BYTES + 2);
    if (place == NULL)
        return;
    *place = 'd';
    out->len += 1 + decimal_write(&decimal, place + 1);
    put_char(out, ';');
}

struct encoder {
    struct out out;
    const struct identity_fields *ignored;
};

/* A value on its way into the encoding, and the ignored paths (bits) that have led to it so far. */
struct member {
    const struct json *json;
    unsigned paths;
};

/* From parent, at that depth, to its index-th child: false when an ignored path ends there. */
static bool
follow(const struct encoder *encoder, const struct member *parent, size_t depth,
    const struct json *child, size_t index, struct member *ret)
{
    *ret = (struct member){.json = child};
    for (size_t i = 0; parent->paths >> i != 0; i++) {
        const struct field_path *path = &encoder->ignored->paths[i];

        if ((parent->paths >> i & 1U) == 0 ||
            !field_path_leads(path, depth, parent->json, child, index))
            continue;
        if (path->step_count == depth + 1)
            return false;
        ret->paths |= BIT(i);
    }
    return true;
}

/* Any order will do that is always the same; most names differ in their length already. */
static int
compare_members(const void *a, const void *b)
{
    struct str left = ((const struct member *)a)->json->name;
    struct str right = ((const struct member *)b)->json->name;

    if (left.len != right.len)
        return left.len < right.len ? -1 : 1;
    return left.len > 0 ? memcmp(left.ptr, right.ptr, left.len) : 0;
}

static void
sort_few(struct member *members, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct member member = members[i];
        size_t at = i;

        for (; at > 0 && compare_members(&members[at - 1], &member) > 0; at--)
            members[at] = members[at - 1];
        members[at] = member;
    }
}

static void encode(struct encoder *encoder, const struct member *value, size_t depth);

static void
encode_object(struct encoder *encoder, const struct member *object, size_t depth)
{
    struct member few[MEMBERS_SORTED_MAX];
    struct member *members = few;
    size_t count = 0;

    if (object->json->count > COUNT_OF(few))
        members = arena_alloc_array(encoder->out.arena, object->json->count, sizeof(*members));
    if (members == NULL)
        return;
    for (const struct json *child = object->json->first; child != NULL; child = child->next)
        count += follow(encoder, object, depth, child, 0, &members[count]) ? 1 : 0;
    if (members == few)
        sort_few(members, count);
    else
        qsort(members, count, sizeof(*members), compare_members);

    put_char(&encoder->out, '{');
    for (size_t i = 0; i < count; i++) {
        put_text(&encoder->out, members[i].json->name);
        encode(encoder, &members[i], depth + 1);
    }
    put_char(&encoder->out, '}');
}

static int
compare_texts(const void *a, const void *b)
{
    return str_compare(*(const struct str *)a, *(const struct str *)b);
}

/* What was encoded from that place on, pieces of these lengths, becomes a set: sorted, and each
 * piece once. */
static void
make_set(struct out *out, size_t from, struct str *pieces, size_t count)
{
    char *sorted = arena_alloc(out->arena, out->len - from);
    size_t at = from;
    size_t len = 0;

    if (sorted == NULL || out->len == from)
        return;
    for (size_t i = 0; i < count; i++) {
        pieces[i].ptr = out->ptr + at;
        at += pieces[i].len;
    }
    qsort(pieces, count, sizeof(*pieces), compare_texts);
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && str_equals(pieces[i], pieces[i - 1]))
            continue;
        memcpy(sorted + len, pieces[i].ptr, pieces[i].len);
        len += pieces[i].len;
    }
    memcpy(out->ptr + from, sorted, len);
    out->len = from + len;
}

static void
encode_array(struct encoder *encoder, const struct member *array, size_t depth, bool is_set)
{
    struct str *pieces = NULL;
    size_t from;
    size_t index = 0;
    size_t count = 0;

    if (is_set && array->json->count > 1)
        pieces = arena_alloc_array(encoder->out.arena, array->json->count, sizeof(*pieces));
    put_char(&encoder->out, '[');
    from = encoder->out.len;
    for (const struct json *child = array->json->first; child != NULL; child = child->next) {
        size_t before = encoder->out.len;
        struct member element;

        if (!follow(encoder, array, depth, child, index++, &element))
            continue;
        encode(encoder, &element, depth + 1);
        if (pieces != NULL)
            pieces[count++].len = encoder->out.len - before;
    }
    if (count > 1)
        make_set(&encoder->out, from, pieces, count);
    put_char(&encoder->out, ']');
}

/* Each form begins with a letter of its own and tells where it ends, so that no two values that
 * differ are written alike. */
static void
encode(struct encoder *encoder, const struct member *value, size_t depth)
{
    const struct json *json = value->json;

    switch (json->kind) {
    case JSON_NULL: put_char(&encoder->out, 'n'); break;
    case JSON_BOOL: put_char(&encoder->out, json->boolean ? 't' : 'f'); break;
    case JSON_NUMBER: put_number(&encoder->out, json->text); break;
    case JSON_STRING:
        put_char(&encoder->out, 's');
        put_text(&encoder->out, json->text);
        break;
    case JSON_ARRAY:
        /* The sessions come in no certain order. */
        encode_array(encoder, value, depth, depth == 1 && str_equals(json->name, STR("callList")));
        break;
    case JSON_OBJECT: encode_object(encoder, value, depth); break;
    }
}

enum err
version_of(const struct json *body, const struct identity_fields *ignored, struct arena *arena,
    uint8_t ret[SHA256_BYTES])
{
    struct encoder encoder = {
        .out = {.arena = arena, .capacity_first = OUT_BYTES_FIRST},
        .ignored = ignored,
    };
    struct member root = {.json = body};

    if (ignored != NULL)
        root.paths = BIT(ignored->count) - 1U;
    encode(&encoder, &root, 0);
    if (arena_is_full(arena))
        return ERR_NOMEM;
    return sha256((struct str){encoder.out.ptr, encoder.out.len}, ret);
}

/* A list of more than one part, or of one with a colon, has a colon: so they differ from one that
 * stands as it is. Absent parts are told from empty ones. */
static struct str
join(struct arena *arena, const struct str *parts, size_t count)
{
    struct out out = {.arena = arena};

    if (count == 1 && str_find(parts[0], ':', 0) == SIZE_MAX)
        return parts[0];
    for (size_t i = 0; i < count; i++)
        out.capacity_first += parts[i].len + INT_BYTES + 1;
    for (size_t i = 0; i < count; i++) {
        if (parts[i].ptr == NULL)
            put_char(&out, '-');
        else
            put_text(&out, parts[i]);
    }
    return (struct str){out.ptr, out.len};
}

/* No key of ours begins like that. Where there is no memory the arena shows it. */
static struct str
shorten(struct str key, struct arena *arena)
{
    uint8_t digest[SHA256_BYTES];

    if (key.len <= KEY_BYTES_MAX)
        return key;
    if (sha256(key, digest) == OK)
        return sha256_text(digest, arena);
    arena->full = true;
    return (struct str){NULL, 0};
}

/* The prefix and those characters of the text that are wanted, in lower case; absent when none
 * is. */
static struct str
person_text(const char prefix[2], struct str text, bool (*is_wanted)(char c), struct arena *arena)
{
    char *out = arena_alloc(arena, 2 + text.len);
    size_t len = 2;

    if (out == NULL)
        return (struct str){NULL, 0};
    memcpy(out, prefix, 2);
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];

        if (is_wanted(c))
            out[len++] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    return len > 2 ? (struct str){out, len} : (struct str){NULL, 0};
}

static bool
is_any(char c)
{
    (void)c;
    return true;
}

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "" when there is nobody. */
static struct str
person_of(const struct received *received, struct arena *arena)
{
    struct str email = str_trim(received->email);
    struct str name = str_trim(received->name);
    struct str person = {NULL, 0};

    if (email.len > 0)
        return person_text("e:", email, is_any, arena);
    if (received->phone.len > 0)
        person = person_text("p:", received->phone, is_digit, arena);
    if (person.ptr == NULL && name.len > 0)
        person = person_text("n:", name, is_any, arena);
    return person.ptr != NULL ? person : STR("");
}

/* Which of the three it is whose moment is nearest. */
static struct str
slot_of(struct walltime from, struct walltime received_at)
{
    static const struct {
        int64_t before_us;
        struct str name;
    } slots[] = {{US_PER_DAY, {"1day", 4}}, {US_PER_HOUR / 2, {"30min", 5}},
        {US_PER_HOUR / 4, {"15min", 5}}};

    int64_t before_us = from.us - received_at.us;
    size_t nearest = 0;

    for (size_t i = 1; i < COUNT_OF(slots); i++) {
        if (llabs(before_us - slots[i].before_us) < llabs(before_us - slots[nearest].before_us))
            nearest = i;
    }
    return slots[nearest].name;
}

/* The first id of a series stands for it: whatever order its sessions come in, and when it grows.
 * Titles only where there is no id at all. */
static void
subject_of(const struct received *received, struct str *ret_id, struct str *ret_title)
{
    *ret_id = (struct str){NULL, 0};
    *ret_title = (struct str){NULL, 0};
    for (size_t i = 0; i < received->session_count; i++) {
        struct str id = received->sessions[i].webinar_id;
        struct str title = received->sessions[i].webinar;

        if (id.len > 0 && (ret_id->len == 0 || str_compare(id, *ret_id) < 0))
            *ret_id = id;
        if (title.len > 0 && (ret_title->len == 0 || str_compare(title, *ret_title) < 0))
            *ret_title = title;
    }
}

/* Parts of the object, at most OBJECT_PARTS_MAX; 0: it is not there. */
static size_t
session_parts(struct str event, const struct received *received, struct walltime received_at,
    struct arena *arena, struct str *parts)
{
    size_t count = 0;
    struct str title;

    subject_of(received, &parts[count++], &title);
    if (parts[0].len == 0 && title.len == 0)
        return 0;
    if (received->shape == RECEIVED_REMINDER) {
        const struct received_session *session = &received->sessions[0];
        char from[LOCAL_TIME_TEXT_BYTES];

        if (!session->has_from)
            return 0;
        local_time_format(session->from, 0, from);
        parts[count++] = arena_copy(arena, str_from(from));
        /* The other names of reminders are of one slot each. */
        if (!str_starts(event, STR("webinar.reminder.")) || str_ends(event, STR(".all")))
            parts[count++] = slot_of(session->from, received_at);
    }
    if (parts[0].len == 0)
        parts[count++] = title;
    return count;
}

/* Do all milestones of a course come under this name? Their bodies do not tell them apart. */
static bool
is_any_milestone(struct str event)
{
    return !str_ends(event, STR(".10")) && !str_ends(event, STR(".50")) &&
           !str_ends(event, STR(".100")) && !str_equals(event, STR("course.completed"));
}

static size_t
object_parts(struct str event, const struct received *received, struct walltime received_at,
    struct arena *arena, struct str *parts)
{
    size_t count = 0;

    switch (received->shape) {
    case RECEIVED_UNKNOWN: return 0;
    case RECEIVED_CALL_LIST:
    case RECEIVED_REMINDER:
    case RECEIVED_COMPLETED: return session_parts(event, received, received_at, arena, parts);
    case RECEIVED_ORDER:
        parts[count++] = received->object_id;
        parts[count++] = received->status;
        parts[count++] = received->occurred;
        break;
    case RECEIVED_SUBSCRIPTION:
        parts[count++] = received->object_id;
        parts[count++] = received->occurred;
        break;
    case RECEIVED_COURSE:
        parts[count++] = received->object_id;
        if (is_any_milestone(event))
            parts[count++] = received->occurred;
        break;
    case RECEIVED_USER: parts[count++] = received->object_id; break;
    }
    return received->object_id.len > 0 ? count : 0;
}

/* Of one order or account there is one person anyway. */
static bool
needs_person(enum received_shape shape)
{
    return shape != RECEIVED_ORDER && shape != RECEIVED_USER;
}

struct gathering {
    struct encoder encoder;
    struct str single; /* the only part, where it is a text */
    size_t count;
    bool is_there;
};

static bool
gather(const struct json *place, void *arg)
{
    struct gathering *gathering = arg;
    bool is_text = place->kind == JSON_STRING || place->kind == JSON_NUMBER;

    gathering->count++;
    gathering->is_there |= is_text ? place->text.len > 0 : place->kind != JSON_NULL;
    gathering->single = is_text ? place->text : (struct str){NULL, 0};
    /* A number is the same as its text: a phone is either, by the event. */
    if (is_text)
        put_text(&gathering->encoder.out, place->text);
    else
        encode(&gathering->encoder, &(struct member){.json = place}, 0);
    return true;
}

static bool
is_email(const struct field_path *path)
{
    return path->step_count == 1 && str_equals(path->steps[0], STR("email"));
}

/* By the fields that the source names. Paths are set apart, as each may lead to several places. */
static bool
identity_of_fields(const struct identity_fields *fields, const struct received *received,
    struct arena *arena, struct identity *ret)
{
    struct gathering gathering = {.encoder = {.out = {.arena = arena, .capacity_first = 128}}};
    size_t paths = 0;

    ret->person = STR("");
    for (size_t i = 0; i < fields->count; i++) {
        if (is_email(&fields->paths[i]) && str_trim(received->email).len > 0) {
            ret->person = person_of(received, arena);
            continue;
        }
        if (paths++ > 0)
            put_char(&gathering.encoder.out, '/');
        field_path_walk(&fields->paths[i], received->body, gather, &gathering);
    }
    if (gathering.count == 1 && paths == 1 && gathering.single.len > 0)
        ret->object = join(arena, &gathering.single, 1);
    else
        ret->object = (struct str){gathering.encoder.out.ptr, gathering.encoder.out.len};
    if (ret->object.ptr == NULL)
        ret->object = STR("");
    return gathering.is_there || ret->person.len > 0;
}

bool
identity_of(struct str event, const struct received *received, const struct identity_fields *fields,
    struct walltime received_at, struct arena *arena, struct identity *ret)
{
    struct identity identity = {.event = event};
    struct str parts[OBJECT_PARTS_MAX];

    if (fields != NULL && fields->count > 0) {
        if (!identity_of_fields(fields, received, arena, &identity))
            return false;
    } else {
        size_t count = object_parts(event, received, received_at, arena, parts);

        if (count == 0)
            return false;
        identity.object = join(arena, parts, count);
        identity.person = person_of(received, arena);
        if (identity.person.len == 0 && needs_person(received->shape))
            return false;
    }
    identity.object = shorten(identity.object, arena);
    identity.person = shorten(identity.person, arena);
    *ret = identity;
    return true;
}

enum duplicate_policy
duplicate_policy_of(struct str event)
{
    static const struct str once[] = {{"webinar.reminder.", 17}, {"webinar.completed.", 18},
        {"course.completed", 16}, {"order.", 6}};

    for (size_t i = 0; i < COUNT_OF(once); i++) {
        if (str_starts(event, once[i]))
            return DUPLICATE_ONCE;
    }
    return DUPLICATE_LATEST;
}
