/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/hook.h"

#include <string.h>

#include "base/check.h"
#include "domain/event_type.h"
#include "domain/signature.h"

#define HEADER_NAME_BYTES_MAX 128

static const struct hook_rule {
    const char *name;
    unsigned may_become;
} rules[] = {
    [HOOK_ENABLED] = {"enabled", BIT(HOOK_DISABLED) | BIT(HOOK_DELETED)},
    [HOOK_DISABLED] = {"disabled", BIT(HOOK_ENABLED) | BIT(HOOK_DELETED)},
    [HOOK_DELETED] = {"deleted", 0},
};

static const char *const signature_names[] = {
    [HOOK_SIGNATURE_V1] = "v1",
    [HOOK_SIGNATURE_V1A] = "v1a",
};

static const char *const phone_format_names[] = {
    [PHONE_NUMBER] = "number",
    [PHONE_STRING] = "string",
};

/* Position of the word, or count. */
static size_t
word_find(const char *const *words, size_t count, struct str word)
{
    size_t i = 0;

    while (i < count && !str_equals(str_from(words[i]), word))
        i++;
    return i;
}

const char *
hook_status_name(enum hook_status status)
{
    CHECK((unsigned)status < COUNT_OF(rules));
    return rules[status].name;
}

enum err
hook_status_parse(struct str name, enum hook_status *ret)
{
    for (size_t i = 0; i < COUNT_OF(rules); i++) {
        if (str_equals(str_from(rules[i].name), name)) {
            *ret = (enum hook_status)i;
            return OK;
        }
    }
    return ERR_INVALID;
}

void
hook_move(struct hook *hook, enum hook_status next)
{
    CHECK((unsigned)hook->status < COUNT_OF(rules));
    CHECK(rules[hook->status].may_become & BIT(next));
    hook->status = next;
}

const char *
hook_signature_name(enum hook_signature signature)
{
    CHECK((unsigned)signature < COUNT_OF(signature_names));
    return signature_names[signature];
}

enum err
hook_signature_parse(struct str name, enum hook_signature *ret)
{
    size_t i = word_find(signature_names, COUNT_OF(signature_names), name);

    if (i == COUNT_OF(signature_names))
        return ERR_INVALID;
    *ret = (enum hook_signature)i;
    return OK;
}

const char *
phone_format_name(enum phone_format format)
{
    CHECK((unsigned)format < COUNT_OF(phone_format_names));
    return phone_format_names[format];
}

enum err
phone_format_parse(struct str name, enum phone_format *ret)
{
    size_t i = word_find(phone_format_names, COUNT_OF(phone_format_names), name);

    if (i == COUNT_OF(phone_format_names))
        return ERR_INVALID;
    *ret = (enum phone_format)i;
    return OK;
}

struct hook
hook_defaults(void)
{
    return (struct hook){
        .description = STR(""),
        .phone_format = PHONE_NUMBER,
        .signature = HOOK_SIGNATURE_V1,
        .max_in_flight = HOOK_IN_FLIGHT_DEFAULT,
        .status = HOOK_ENABLED,
    };
}

/* --- fields --- */

/* One of two words; null is the first. False when absent or wrong. */
static bool
read_word(struct field_reader *reader, struct str name, const char *const words[2], size_t *inout)
{
    const struct json *value = field_get(reader, name);
    size_t i = 0;

    if (value == NULL)
        return false;
    if (value->kind != JSON_NULL)
        i = value->kind == JSON_STRING ? word_find(words, 2, value->text) : 2;
    if (i == 2) {
        field_fault(reader, name, "must be \"%s\" or \"%s\"", words[0], words[1]);
        return false;
    }
    *inout = i;
    return true;
}

/* The URL itself is judged by who can: here only that it is a text of sane length. */
static void
read_url(struct field_reader *reader, bool is_patch, struct hook *inout)
{
    bool is_given = reader->object != NULL && json_find(reader->object, STR("hookUrl")) != NULL;

    (void)field_text(reader, STR("hookUrl"), URL_BYTES_MAX, &inout->url);
    if (!is_given && !is_patch)
        field_fault(reader, STR("hookUrl"), "is required: the URL to be called");
}

static void
read_event(struct field_reader *reader, bool is_patch, struct hook *inout)
{
    const struct json *value = field_get(reader, STR("event"));

    if (is_patch) {
        if (value != NULL)
            field_fault(reader, STR("event"), "cannot be changed: make another hook");
    } else if (value == NULL) {
        field_fault(reader, STR("event"), "is required: see GET /api/v1/event-types");
    } else if (value->kind != JSON_STRING || event_type_find(value->text) == NULL) {
        field_fault(reader, STR("event"),
            "is not an event that there is: see GET /api/v1/event-types, such as %.*s",
            STR_FMT(event_types[0].name));
    } else {
        inout->event = value->text;
    }
}

static struct id *
filter_slot(struct hook *hook, enum event_filter filter)
{
    switch (filter) {
    case FILTER_WEBINAR: return &hook->webinar_id;
    case FILTER_MANGO: return &hook->mango_id;
    case FILTER_COURSE:
    case FILTER_PAGE:
    case FILTERS_COUNT: break;
    }
    return NULL;
}

static void
read_filter(struct field_reader *reader, enum event_filter filter, struct hook *inout)
{
    struct str name = event_filter_name(filter);
    const struct json *value = field_get(reader, name);
    const struct event_type *type = event_type_find(inout->event);
    struct id *slot = filter_slot(inout, filter);

    if (value == NULL)
        return;
    if (value->kind == JSON_NULL) {
        if (slot != NULL)
            *slot = (struct id){0};
        return;
    }
    if (slot == NULL || (type != NULL && (type->filters & BIT(filter)) == 0)) {
        field_fault(reader, name, "does not apply to this event: leave it out or null");
        return;
    }
    if (value->kind != JSON_STRING || id_parse(value->text, slot) != OK || id_is_zero(*slot))
        field_fault(reader, name, "must be an id of 24 hex digits, or null for every %.*s",
            STR_FMT(name));
}

static void
read_description(struct field_reader *reader, struct hook *inout)
{
    const struct json *value = field_get(reader, STR("description"));

    if (value == NULL)
        return;
    if (value->kind == JSON_NULL || (value->kind == JSON_STRING && value->text.len == 0)) {
        inout->description = STR("");
        return;
    }
    if (value->kind != JSON_STRING) {
        field_fault(reader, STR("description"), "must be a string, not %s",
            json_kind_name(value->kind));
        return;
    }
    if (value->text.len > DESCRIPTION_BYTES_MAX) {
        field_fault(reader, STR("description"), "must be at most %d bytes of UTF-8, not %zu",
            DESCRIPTION_BYTES_MAX, value->text.len);
        return;
    }
    for (size_t i = 0; i < value->text.len; i++) {
        unsigned char c = (unsigned char)value->text.ptr[i];

        if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f) {
            field_fault(reader, STR("description"), "must not hold control characters");
            return;
        }
    }
    inout->description = value->text;
}

static void
read_rate_limit(struct field_reader *reader, struct hook *inout)
{
    const struct json *value = field_get(reader, STR("rateLimit"));
    double rate = 0;

    if (value == NULL)
        return;
    if (value->kind == JSON_NULL) {
        inout->rate_limit = 0;
        return;
    }
    if (value->kind != JSON_NUMBER || json_to_double(value, &rate) != OK ||
        !(rate >= HOOK_RATE_MIN && rate <= HOOK_RATE_MAX)) {
        field_fault(reader, STR("rateLimit"),
            "must be a number of requests a second from 0.1 to 10000, or null");
        return;
    }
    inout->rate_limit = rate;
}

static void
read_max_in_flight(struct field_reader *reader, struct hook *inout)
{
    const struct json *value =
        reader->object != NULL ? json_find(reader->object, STR("maxInFlight")) : NULL;

    if (value != NULL && value->kind == JSON_NULL) {
        (void)field_get(reader, STR("maxInFlight"));
        inout->max_in_flight = HOOK_IN_FLIGHT_DEFAULT;
        return;
    }
    (void)field_int(reader, STR("maxInFlight"), 1, HOOK_IN_FLIGHT_MAX, &inout->max_in_flight);
}

const char *
hook_secret_is_wrong(enum hook_signature signature, struct str text)
{
    struct secret secret;
    enum secret_kind kind = signature == HOOK_SIGNATURE_V1 ? SECRET_V1 : SECRET_V1A;
    enum err err = secret_parse(text, &secret, NULL);
    bool is_right = err == OK && secret.kind == kind;

    if (err == OK)
        secret_wipe(&secret);
    if (is_right)
        return NULL;
    return kind == SECRET_V1 ? "must be whsec_ and 24 to 64 bytes as base64, or be left out: then "
                               "one is made"
                             : "must be whsk_ and an Ed25519 key pair as base64, or be left out: "
                               "then one is made";
}

/* A secret belongs to a kind of signature, so both stay as they were made; a rotation gives a new
 * secret. */
static void
read_signing(struct field_reader *reader, bool is_patch, struct hook *inout)
{
    size_t signature = (size_t)inout->signature;
    bool is_given = read_word(reader, STR("signature"), signature_names, &signature);
    const struct json *secret = field_get(reader, STR("secret"));
    const char *wrong;

    if (is_patch) {
        if (is_given && signature != (size_t)inout->signature)
            field_fault(reader, STR("signature"), "cannot be changed: make another hook");
        if (secret != NULL)
            field_fault(reader, STR("secret"),
                "cannot be changed here: POST to …/rotate-secret instead");
        return;
    }
    inout->signature = (enum hook_signature)signature;
    if (secret == NULL || secret->kind == JSON_NULL)
        return;
    wrong = secret->kind == JSON_STRING ? hook_secret_is_wrong(inout->signature, secret->text)
                                        : "must be a string";
    if (wrong != NULL)
        field_fault(reader, STR("secret"), "%s", wrong);
    else
        inout->secret = secret->text;
}

/* --- headers --- */

static const char *
header_name_is_wrong(struct str name)
{
    /* What frames the request, what we say ourselves, and what belongs to one hop. */
    static const char *const ours[] = {"host", "content-length", "content-type", "connection",
        "keep-alive", "proxy-connection", "transfer-encoding", "te", "trailer", "upgrade", "expect",
        "user-agent"};
    static const char *const prefixes[] = {"webhook-", "x-usher-"};

    if (name.len == 0 || name.len > HEADER_NAME_BYTES_MAX)
        return "is no header name: 1 to 128 letters, digits and dashes";
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];

        if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
            (c == '\0' || strchr("!#$%&'*+-.^_`|~", c) == NULL))
            return "is no header name: 1 to 128 letters, digits and dashes";
    }
    for (size_t i = 0; i < COUNT_OF(ours); i++) {
        if (str_equals_nocase(name, str_from(ours[i])))
            return "is a header that is set by us: leave it out";
    }
    for (size_t i = 0; i < COUNT_OF(prefixes); i++) {
        struct str prefix = str_from(prefixes[i]);

        if (str_equals_nocase(str_slice(name, 0, prefix.len), prefix))
            return "is a header that is set by us: leave it out";
    }
    return NULL;
}

static const char *
header_value_is_wrong(struct str value)
{
    if (value.len > HOOK_HEADER_VALUE_BYTES_MAX)
        return "must be at most 4096 bytes";
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] < 0x20 || value.ptr[i] > 0x7e)
            return "must be printable ASCII";
    }
    if (str_trim(value).len != value.len)
        return "must not begin or end with a space";
    if (str_equals(value, STR(HOOK_HEADER_VALUE_SHOWN)))
        return "is what we show instead of the value: send the value, or leave the header out";
    return NULL;
}

/* Position of the header of that name, or header_count. */
static size_t
header_find(const struct hook *hook, struct str name)
{
    size_t i = 0;

    while (i < hook->header_count && !str_equals_nocase(hook->headers[i].name, name))
        i++;
    return i;
}

static void
header_remove(struct hook *hook, struct str name)
{
    size_t i = header_find(hook, name);

    if (i == hook->header_count)
        return;
    hook->header_count--;
    memmove(&hook->headers[i], &hook->headers[i + 1],
        (hook->header_count - i) * sizeof(hook->headers[0]));
}

/* An earlier field of the same object with that name in other letters. */
static bool
is_doubled(const struct json *headers, const struct json *field)
{
    for (const struct json *other = headers->first; other != field; other = other->next) {
        if (str_equals_nocase(other->name, field->name))
            return true;
    }
    return false;
}

static void
read_header(const struct field_reader *reader, const struct json *headers, const struct json *field,
    struct hook *inout)
{
    const char *wrong = header_name_is_wrong(field->name);
    size_t i = header_find(inout, field->name);

    if (wrong == NULL && is_doubled(headers, field))
        wrong = "is given twice";
    if (wrong == NULL && field->kind == JSON_NULL) {
        header_remove(inout, field->name);
        return;
    }
    if (wrong == NULL && field->kind != JSON_STRING)
        wrong = "must be a string";
    if (wrong == NULL)
        wrong = header_value_is_wrong(field->text);
    if (wrong == NULL && i == HOOK_HEADERS_MAX)
        wrong = "is one too many: a hook has at most 20 headers";
    if (wrong != NULL) {
        field_fault(reader, field->name, "%s", wrong);
        return;
    }
    inout->headers[i] = (struct hook_header){field->name, field->text};
    if (i == inout->header_count)
        inout->header_count++;
}

static void
read_headers(struct field_reader *reader, struct hook *inout)
{
    const struct json *headers = field_get(reader, STR("headers"));
    struct field_reader inner;

    if (headers == NULL)
        return;
    if (headers->kind == JSON_NULL) {
        inout->header_count = 0;
        return;
    }
    field_reader_start_at(&inner, headers, field_pointer(reader, STR("headers")), reader->faults);
    if (inner.object == NULL)
        return;
    /* So many cannot be right, and each is compared with those before it. */
    if (headers->count > 2 * HOOK_HEADERS_MAX) {
        field_fault(reader, STR("headers"), "a hook has at most %d headers", HOOK_HEADERS_MAX);
        return;
    }
    for (const struct json *field = headers->first; field != NULL; field = field->next)
        read_header(&inner, headers, field, inout);
}

/* --- the whole --- */

/* Ticked off only when they are there, so that they are not offered as known. */
static void
refuse_own(struct field_reader *reader)
{
    static const struct {
        const char *name;
        const char *detail;
    } own[] = {
        {"id", "is set by us: leave it out"},
        {"createdAt", "is set by us: leave it out"},
        {"updatedAt", "is set by us: leave it out"},
        {"secretHint", "is set by us: leave it out"},
        {"publicKey", "is set by us: leave it out"},
        {"disabledBy", "is set by us: leave it out"},
        {"effectiveRate", "is set by us: leave it out"},
        {"failingSince", "is set by us: leave it out"},
        {"status", "is set by us: POST to …/enable or …/disable instead"},
    };

    for (size_t i = 0; i < COUNT_OF(own); i++) {
        struct str name = str_from(own[i].name);

        if (json_find(reader->object, name) == NULL)
            continue;
        (void)field_get(reader, name);
        field_fault(reader, name, "%s", own[i].detail);
    }
}

void
hook_read(struct hook *inout, const struct json *object, bool is_patch, struct faults *faults)
{
    struct field_reader reader;
    size_t phone_format = (size_t)inout->phone_format;

    field_reader_start(&reader, object, faults);
    if (reader.object == NULL)
        return;
    read_url(&reader, is_patch, inout);
    read_event(&reader, is_patch, inout);
    for (enum event_filter filter = FILTER_WEBINAR; filter < FILTERS_COUNT; filter++)
        read_filter(&reader, filter, inout);
    read_description(&reader, inout);
    read_headers(&reader, inout);
    if (read_word(&reader, STR("phoneFormat"), phone_format_names, &phone_format))
        inout->phone_format = (enum phone_format)phone_format;
    read_signing(&reader, is_patch, inout);
    read_rate_limit(&reader, inout);
    read_max_in_flight(&reader, inout);
    refuse_own(&reader);
    field_reader_end(&reader);
}
