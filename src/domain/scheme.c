/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/scheme.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/encode.h"

/* An id of this length is nobody's; a longer one would be signed text that we hand on. */
#define ID_BYTES_MAX 256
/* Zoom sends 22 characters, Slack some 50. */
#define CHALLENGE_BYTES_MAX 1024

const char *const scheme_signed_names[] = {
    [SIGNED_BODY] = "body",
    [SIGNED_TIME_DOT_BODY] = "time.body",
    [SIGNED_TIME_COLON_BODY] = "time:body",
    [SIGNED_V0_TIME_COLON_BODY] = "v0:time:body",
    [SIGNED_ID_TIME_BODY] = "id.time.body",
    NULL,
};

#define TEXT(literal)                                                                              \
    {                                                                                              \
        ("" literal), sizeof(literal) - 1                                                          \
    }

static const struct scheme schemes[] = {
    {
        .name = "github",
        .field = TEXT("X-Hub-Signature-256"),
        .prefix = TEXT("sha256="),
        .id_field = TEXT("X-GitHub-Delivery"),
        .event_field = TEXT("X-GitHub-Event"),
    },
    {
        /* Entries of v0 are test signatures, and are passed over as its libraries do. */
        .name = "stripe",
        .field = TEXT("Stripe-Signature"),
        .prefix = TEXT("v1="),
        .separator = ',',
        .time_prefix = TEXT("t="),
        .id_path = TEXT("id"),
        .event_path = TEXT("type"),
        .what = SIGNED_TIME_DOT_BODY,
    },
    {
        .name = "shopify",
        .field = TEXT("X-Shopify-Hmac-Sha256"),
        .id_field = TEXT("X-Shopify-Event-Id"),
        .event_field = TEXT("X-Shopify-Topic"),
        .encoding = SCHEME_BASE64,
    },
    {
        .name = "slack",
        .field = TEXT("X-Slack-Signature"),
        .prefix = TEXT("v0="),
        .time_field = TEXT("X-Slack-Request-Timestamp"),
        .id_path = TEXT("event_id"),
        .event_path = TEXT("event.type"),
        .what = SIGNED_V0_TIME_COLON_BODY,
        .challenge = CHALLENGE_SLACK,
    },
    {
        .name = "zoom",
        .field = TEXT("x-zm-signature"),
        .prefix = TEXT("v0="),
        .time_field = TEXT("x-zm-request-timestamp"),
        .event_path = TEXT("event"),
        .what = SIGNED_V0_TIME_COLON_BODY,
        .challenge = CHALLENGE_ZOOM,
    },
    {.name = "hmac"},
};

struct scheme_keys {
    struct hmac *list[SCHEME_SECRETS_MAX]; /* owned */
    size_t count;
    struct hmac *proven; /* borrowed from list: of the call verified last; NULL: it was denied */
};

const struct scheme *
scheme_at(size_t index)
{
    return index < COUNT_OF(schemes) ? &schemes[index] : NULL;
}

const struct scheme *
scheme_find(struct str name)
{
    for (size_t i = 0; i < COUNT_OF(schemes); i++) {
        if (str_equals(name, str_from(schemes[i].name)))
            return &schemes[i];
    }
    return NULL;
}

void
scheme_names(struct buf *buf)
{
    for (size_t i = 0; i < COUNT_OF(schemes); i++)
        buf_printf(buf, "%s%s", i > 0 ? ", " : "", schemes[i].name);
}

bool
scheme_has_time(const struct scheme *scheme)
{
    return scheme->what != SIGNED_BODY;
}

enum err
scheme_keys_new(const struct scheme *scheme, const struct str *secrets, size_t count,
    struct scheme_keys **ret, struct error *reterr)
{
    CLEANUP(scheme_keys_freep) struct scheme_keys *keys = NULL;

    if (count == 0 || count > SCHEME_SECRETS_MAX)
        return error_set(reterr, ERR_INVALID, "%s needs one secret, or two in a rotation",
            scheme->name);
    keys = calloc(1, sizeof(*keys));
    if (keys == NULL)
        return error_set(reterr, ERR_NOMEM, "out of memory");
    for (; keys->count < count; keys->count++) {
        struct str secret = secrets[keys->count];
        enum err err;

        if (secret.len == 0 || secret.len > SCHEME_SECRET_BYTES_MAX)
            return error_set(reterr, ERR_INVALID, "a secret of %s has 1 to %d bytes, this has %zu",
                scheme->name, SCHEME_SECRET_BYTES_MAX, secret.len);
        err = hmac_new_with(scheme->digest, secret.ptr, secret.len, &keys->list[keys->count]);
        if (err != OK)
            return error_set(reterr, err, "out of memory");
    }
    *ret = TAKE(keys);
    return OK;
}

void
scheme_keys_free(struct scheme_keys *keys)
{
    if (keys == NULL)
        return;
    for (size_t i = 0; i < COUNT_OF(keys->list); i++)
        hmac_free(keys->list[i]);
    free(keys);
}

void
scheme_keys_freep(struct scheme_keys **keys)
{
    scheme_keys_free(*keys);
}

/* What of the call takes part; texts are borrowed, and absent where it has none. */
struct parts {
    struct str header;
    struct str time;
    struct str id;
    bool has_two_times; /* which one was meant nobody can tell */
};

/* The next entry of the header; with no separator the header is the one entry there is. */
static bool
entry_next(const struct scheme *scheme, struct str *rest, struct str *ret)
{
    if (scheme->separator == '\0') {
        *ret = *rest;
        *rest = (struct str){NULL, 0};
        return ret->ptr != NULL;
    }
    if (!str_split(rest, scheme->separator, ret))
        return false;
    *ret = str_trim(*ret);
    return true;
}

static void
parts_read(const struct scheme *scheme, const struct scheme_call *call, struct parts *ret)
{
    *ret = (struct parts){.header = call->field(call->arg, scheme->field)};
    if (scheme->id_field.ptr != NULL)
        ret->id = call->field(call->arg, scheme->id_field);
    if (!scheme_has_time(scheme))
        return;
    if (scheme->time_prefix.ptr != NULL) {
        struct str rest = ret->header;
        struct str entry;

        for (int i = 0; i < SCHEME_ENTRIES_MAX && entry_next(scheme, &rest, &entry); i++) {
            if (!str_starts(entry, scheme->time_prefix))
                continue;
            ret->has_two_times |= ret->time.ptr != NULL;
            ret->time = str_slice(entry, scheme->time_prefix.len, entry.len);
        }
    } else {
        ret->time = call->field(call->arg, scheme->time_field);
    }
}

static enum err
parts_sign(const struct scheme *scheme, struct hmac *hmac, const struct parts *parts,
    struct str body, uint8_t ret[HMAC_BYTES_MAX])
{
    const struct str dot = STR(".");
    const struct str colon = STR(":");
    const struct str time = parts->time;

    switch (scheme->what) {
    case SIGNED_BODY: return hmac_sign_pieces(hmac, &body, 1, ret);
    case SIGNED_TIME_DOT_BODY: {
        const struct str pieces[] = {time, dot, body};

        return hmac_sign_pieces(hmac, pieces, COUNT_OF(pieces), ret);
    }
    case SIGNED_TIME_COLON_BODY: {
        const struct str pieces[] = {time, colon, body};

        return hmac_sign_pieces(hmac, pieces, COUNT_OF(pieces), ret);
    }
    case SIGNED_V0_TIME_COLON_BODY: {
        const struct str pieces[] = {STR("v0:"), time, colon, body};

        return hmac_sign_pieces(hmac, pieces, COUNT_OF(pieces), ret);
    }
    case SIGNED_ID_TIME_BODY: {
        const struct str pieces[] = {parts->id, dot, time, dot, body};

        return hmac_sign_pieces(hmac, pieces, COUNT_OF(pieces), ret);
    }
    }
    UNREACHABLE;
}

/* A header's name for a reason. */
#define NAME_FMT(name) STR_FMT(str_slice((name), 0, 64))

static enum err
time_check(const struct scheme *scheme, const struct parts *parts, struct walltime now,
    int64_t tolerance_s, struct error *reterr)
{
    struct str name = scheme->time_prefix.ptr != NULL ? scheme->field : scheme->time_field;
    int64_t now_s = now.us / US_PER_S;
    int64_t time_s = 0;

    if (parts->time.ptr == NULL)
        return error_set(reterr, ERR_DENIED, "there is no %s%.*s",
            scheme->time_prefix.ptr != NULL ? "time in " : "", NAME_FMT(name));
    if (parts->has_two_times)
        return error_set(reterr, ERR_DENIED, "%.*s has more than one time", NAME_FMT(name));
    if (parts->time.len == 0 || parts->time.ptr[0] == '-' ||
        str_to_int64(parts->time, &time_s) != OK)
        return error_set(reterr, ERR_DENIED, "the time in %.*s is not a number of seconds",
            NAME_FMT(name));
    if (time_s < now_s - tolerance_s)
        return error_set(reterr, ERR_DENIED, "its time is %lld s old, %lld are allowed",
            (long long)(now_s - time_s), (long long)tolerance_s);
    if (time_s > now_s + tolerance_s && !scheme->takes_future)
        return error_set(reterr, ERR_DENIED, "its time is %lld s ahead, %lld are allowed",
            (long long)(time_s - now_s), (long long)tolerance_s);
    return OK;
}

static enum err
parts_check(const struct scheme *scheme, const struct parts *parts, struct walltime now,
    int64_t tolerance_s, struct error *reterr)
{
    if (parts->header.ptr == NULL)
        return error_set(reterr, ERR_DENIED, "there is no %.*s", NAME_FMT(scheme->field));
    if (scheme->what == SIGNED_ID_TIME_BODY) {
        if (parts->id.ptr == NULL)
            return error_set(reterr, ERR_DENIED, "there is no %.*s", NAME_FMT(scheme->id_field));
        /* With a dot in it one signature would stand for two splits of the same bytes. */
        if (parts->id.len == 0 || parts->id.len > ID_BYTES_MAX ||
            str_find(parts->id, '.', 0) != SIZE_MAX)
            return error_set(reterr, ERR_DENIED, "%.*s is empty, has a dot or more than %d bytes",
                NAME_FMT(scheme->id_field), ID_BYTES_MAX);
    }
    if (scheme_has_time(scheme))
        return time_check(scheme, parts, now, tolerance_s, reterr);
    return OK;
}

/* What is right, and what the header says is. */
struct comparison {
    uint8_t expected[SCHEME_SECRETS_MAX][HMAC_BYTES_MAX];
    size_t len;
    int entries;
    int signatures; /* those that could be read as one */
};

static bool
entry_decode(const struct scheme *scheme, struct str entry, size_t len,
    uint8_t bytes[HMAC_BYTES_MAX])
{
    size_t decoded = 0;
    struct str text = str_slice(entry, scheme->prefix.len, entry.len);
    enum err err;

    if (!str_starts(entry, scheme->prefix))
        return false;
    if (scheme->encoding == SCHEME_HEX)
        err = hex_decode(text, bytes, HMAC_BYTES_MAX, &decoded);
    else
        err = base64_decode(text, bytes, HMAC_BYTES_MAX, &decoded);
    return err == OK && decoded == len;
}

/* The key by which an entry of the header is a signature, or NULL. */
static struct hmac *
header_compare(const struct scheme *scheme, const struct scheme_keys *keys, struct str header,
    struct comparison *comparison)
{
    uint8_t bytes[HMAC_BYTES_MAX];
    struct hmac *proven = NULL;
    struct str entry;

    while (entry_next(scheme, &header, &entry)) {
        if (++comparison->entries > SCHEME_ENTRIES_MAX)
            return NULL;
        if (!entry_decode(scheme, entry, comparison->len, bytes))
            continue;
        comparison->signatures++;
        for (size_t i = 0; i < keys->count; i++) {
            if (equals_constant_time(bytes, comparison->expected[i], comparison->len))
                proven = keys->list[i];
        }
    }
    return proven;
}

static enum err
denied(const struct scheme *scheme, const struct scheme_keys *keys,
    const struct comparison *comparison, struct error *reterr)
{
    if (comparison->entries > SCHEME_ENTRIES_MAX)
        return error_set(reterr, ERR_DENIED, "%.*s has more than %d entries",
            NAME_FMT(scheme->field), SCHEME_ENTRIES_MAX);
    if (comparison->signatures == 0)
        return error_set(reterr, ERR_DENIED, "%.*s holds no %.*s%s of %zu bytes in %s",
            NAME_FMT(scheme->field), NAME_FMT(scheme->prefix),
            scheme->prefix.len > 0 ? " and then a signature" : "signature", comparison->len,
            scheme->encoding == SCHEME_HEX ? "hex" : "base64");
    return error_set(reterr, ERR_DENIED,
        "%.*s is not by our %s: another secret, or a body that was changed",
        NAME_FMT(scheme->field), keys->count > 1 ? "secrets" : "secret");
}

enum err
scheme_verify(const struct scheme *scheme, struct scheme_keys *keys, const struct scheme_call *call,
    int64_t tolerance_s, struct error *reterr)
{
    struct comparison comparison = {.len = hmac_bytes(keys->list[0])};
    struct parts parts;
    enum err err;

    keys->proven = NULL;
    parts_read(scheme, call, &parts);
    for (size_t i = 0; i < keys->count; i++) {
        err = parts_sign(scheme, keys->list[i], &parts, call->body, comparison.expected[i]);
        if (err != OK)
            return error_set(reterr, err, "the signature could not be computed");
    }
    err = parts_check(scheme, &parts, call->now, tolerance_s, reterr);
    if (err != OK)
        return err;
    keys->proven = header_compare(scheme, keys, parts.header, &comparison);
    return keys->proven != NULL ? OK : denied(scheme, keys, &comparison, reterr);
}

/* The text of a field that is a text, else absent. */
static struct str
text_of(const struct json *object, struct str name)
{
    const struct json *field = NULL;

    if (object != NULL && object->kind == JSON_OBJECT)
        field = json_find(object, name);
    if (field == NULL || field->kind != JSON_STRING)
        return (struct str){NULL, 0};
    return field->text;
}

static bool
answer_zoom(struct hmac *hmac, const struct json *body, struct buf *answer)
{
    const struct json *payload = json_find(body, STR("payload"));
    struct str plain = text_of(payload, STR("plainToken"));
    uint8_t tag[HMAC_BYTES_MAX];

    if (!str_equals(text_of(body, STR("event")), STR("endpoint.url_validation")) ||
        plain.len == 0 || plain.len > CHALLENGE_BYTES_MAX ||
        hmac_sign_pieces(hmac, &plain, 1, tag) != OK)
        return false;
    buf_append_literal(answer, "{\"plainToken\":");
    json_append_string(answer, plain);
    buf_append_literal(answer, ",\"encryptedToken\":\"");
    hex_append(answer, tag, hmac_bytes(hmac));
    buf_append_literal(answer, "\"}");
    return true;
}

static bool
answer_slack(const struct json *body, struct buf *answer)
{
    struct str challenge = text_of(body, STR("challenge"));

    if (!str_equals(text_of(body, STR("type")), STR("url_verification")) || challenge.len == 0 ||
        challenge.len > CHALLENGE_BYTES_MAX)
        return false;
    buf_append_literal(answer, "{\"challenge\":");
    json_append_string(answer, challenge);
    buf_append_char(answer, '}');
    return true;
}

bool
scheme_answer(const struct scheme *scheme, struct scheme_keys *keys, const struct json *body,
    struct buf *answer)
{
    /* Whoever has not proven the secret must not be told what it makes of a text of theirs. */
    if (keys->proven == NULL || body == NULL || body->kind != JSON_OBJECT)
        return false;
    switch (scheme->challenge) {
    case CHALLENGE_NONE: return false;
    case CHALLENGE_ZOOM: return answer_zoom(keys->proven, body, answer);
    case CHALLENGE_SLACK: return answer_slack(body, answer);
    }
    UNREACHABLE;
}
