/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/check.h"
#include "base/encode.h"
#include "base/limits.h"
#include "os/files.h"
#include "receive/source.h"

#define HEADER_NAME_BYTES_MAX 128
/* A signed time that is older than an hour protects from nothing; clocks and queues of less than
 * half a minute are nobody's. */
#define TOLERANCE_S_MIN 30
#define TOLERANCE_S_MAX 3600
#define RATE_MAX        1000000.0
/* Two secrets, line ends and a comment of the owner's would be wrong: there are none in it. */
#define SECRET_FILE_BYTES_MAX (SOURCE_SECRETS_MAX * (SCHEME_SECRET_BYTES_MAX + 2))
#define PREFIX_BYTES_MAX      32

/* A line on its way into the source. */
struct line {
    struct source *source;
    struct arena *arena;
    struct str value; /* not empty */
};

/* --- values ----------------------------------------------------------------------------------- */

static enum err
out_of_memory(struct error *reterr)
{
    return error_set(reterr, ERR_NOMEM, "out of memory");
}

static enum err
keep(const struct line *line, struct str text, struct str *ret, struct error *reterr)
{
    struct str copy = arena_copy(line->arena, text);

    if (copy.ptr == NULL)
        return out_of_memory(reterr);
    *ret = copy;
    return OK;
}

static enum err
set_flag(const struct line *line, bool *ret, struct error *reterr)
{
    static const char *const yes[] = {"yes", "true", "on", "1"};
    static const char *const no[] = {"no", "false", "off", "0"};

    for (size_t i = 0; i < COUNT_OF(yes); i++) {
        bool is_yes = str_equals_nocase(line->value, str_from(yes[i]));

        if (is_yes || str_equals_nocase(line->value, str_from(no[i]))) {
            *ret = is_yes;
            return OK;
        }
    }
    return error_set(reterr, ERR_INVALID, "\"%.*s\" is neither yes nor no", STR_FMT(line->value));
}

static enum err
set_number(const struct line *line, int64_t min, int64_t max, int64_t *ret, struct error *reterr)
{
    int64_t number = 0;

    if (str_to_int64(line->value, &number) != OK || number < min || number > max)
        return error_set(reterr, ERR_INVALID, "\"%.*s\" is not a number from %lld to %lld",
            STR_FMT(line->value), (long long)min, (long long)max);
    *ret = number;
    return OK;
}

/* Which of the words, that NULL ends. */
static enum err
set_word(const struct line *line, const char *const *words, size_t *ret, struct error *reterr)
{
    CLEANUP(buf_done) struct buf names;

    buf_init(&names, 200);
    for (size_t i = 0; words[i] != NULL; i++) {
        if (str_equals(line->value, str_from(words[i]))) {
            *ret = i;
            return OK;
        }
        buf_printf(&names, "%s%s", i > 0 ? ", " : "", words[i]);
    }
    return error_set(reterr, ERR_INVALID, "\"%.*s\" is none of %.*s",
        STR_FMT(str_slice(line->value, 0, 64)), STR_FMT(buf_str(&names)));
}

/* RFC 9110's token. */
static bool
is_header_name(struct str name)
{
    static const char others[] = "!#$%&'*+-.^_`|~";

    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');

        if (!is_plain && (c == '\0' || strchr(others, c) == NULL))
            return false;
    }
    return name.len > 0 && name.len <= HEADER_NAME_BYTES_MAX;
}

static enum err
set_header_name(const struct line *line, struct str *ret, struct error *reterr)
{
    if (!is_header_name(line->value))
        return error_set(reterr, ERR_INVALID,
            "\"%.*s\" is not the name of a header, as X-Signature is",
            STR_FMT(str_slice(line->value, 0, 64)));
    return keep(line, line->value, ret, reterr);
}

/* Room for one more of a rotation. */
static enum err
check_room(size_t count, struct error *reterr)
{
    if (count < SOURCE_SECRETS_MAX)
        return OK;
    return error_set(reterr, ERR_INVALID, "there are two already, the old and the new one");
}

static enum err
add_hash_of(struct str text, uint8_t hashes[SOURCE_SECRETS_MAX][SHA256_BYTES], size_t *inout_count,
    struct error *reterr)
{
    enum err err = check_room(*inout_count, reterr);

    if (err != OK)
        return err;
    if (sha256(text, hashes[*inout_count]) != OK)
        return out_of_memory(reterr);
    (*inout_count)++;
    return OK;
}

static enum err
add_hash(const struct line *line, const char *of, uint8_t hashes[SOURCE_SECRETS_MAX][SHA256_BYTES],
    size_t *inout_count, struct error *reterr)
{
    uint8_t digest[SHA256_BYTES];
    size_t len = 0;
    enum err err = check_room(*inout_count, reterr);

    if (err != OK)
        return err;
    /* What stands here in its place may be the secret itself, and is not repeated. */
    if (hex_decode(line->value, digest, sizeof(digest), &len) != OK || len != sizeof(digest))
        return error_set(reterr, ERR_INVALID,
            "the SHA-256 of %s is expected, 64 hex digits: printf %%s TEXT | sha256sum", of);
    memcpy(hashes[(*inout_count)++], digest, sizeof(digest));
    return OK;
}

/* The next piece between commas or blanks; false at the end. */
static bool
next_piece(struct str *rest, struct str *ret)
{
    size_t from = 0;
    size_t to;

    while (from < rest->len && strchr(", \t", rest->ptr[from]) != NULL)
        from++;
    for (to = from; to < rest->len && strchr(", \t", rest->ptr[to]) == NULL;)
        to++;
    *ret = str_slice(*rest, from, to);
    *rest = str_slice(*rest, to, rest->len);
    return ret->len > 0;
}

/* --- who may call ----------------------------------------------------------------------------- */

static enum err
set_event(const struct line *line, struct error *reterr)
{
    for (size_t i = 0; i < line->value.len; i++) {
        if (line->value.ptr[i] == ' ')
            return error_set(reterr, ERR_INVALID,
                "an event is one word, as webinar.created.single is");
    }
    if (line->value.len > SOURCE_EVENT_BYTES_MAX || !str_is_utf8(line->value))
        return error_set(reterr, ERR_INVALID, "an event has at most %d bytes, in UTF-8",
            SOURCE_EVENT_BYTES_MAX);
    return keep(line, line->value, &line->source->event, reterr);
}

static enum err
proof_parse(struct str word, unsigned *ret, struct error *reterr)
{
    for (unsigned proof = PROOF_TOKEN; proof <= PROOF_ADDRESS; proof <<= 1) {
        if (str_equals(word, str_from(proof_name((enum proof)proof)))) {
            *ret = proof;
            return OK;
        }
    }
    if (str_equals(word, STR("none")))
        return error_set(reterr, ERR_INVALID, "none means everybody, and stands alone");
    return error_set(reterr, ERR_INVALID,
        "\"%.*s\" is no proof: there are token, basic, header, signature, address, joined by `and` "
        "and `or`; and none, for everybody",
        STR_FMT(str_slice(word, 0, 40)));
}

/* "a and b or c": alternatives of proofs, without brackets. */
static enum err
set_accept(const struct line *line, struct error *reterr)
{
    unsigned alternatives[SOURCE_ALTERNATIVES_MAX] = {0};
    size_t count = 0;
    bool wants_proof = true;
    struct str rest = line->value;
    struct str word;

    if (str_equals(line->value, STR("none"))) {
        line->source->accepts_all = true;
        return OK;
    }
    while (next_piece(&rest, &word)) {
        unsigned proof = 0;
        enum err err;

        if (wants_proof) {
            err = proof_parse(word, &proof, reterr);
            if (err != OK)
                return err;
            alternatives[count] |= proof;
        } else if (str_equals(word, STR("or"))) {
            count++;
        } else if (!str_equals(word, STR("and"))) {
            return error_set(reterr, ERR_INVALID, "`and` or `or` is expected before \"%.*s\"",
                STR_FMT(str_slice(word, 0, 40)));
        }
        if (count == SOURCE_ALTERNATIVES_MAX)
            return error_set(reterr, ERR_INVALID, "more than %d alternatives",
                SOURCE_ALTERNATIVES_MAX);
        wants_proof = !wants_proof;
    }
    /* An alternative without a proof would let everybody in. */
    if (wants_proof)
        return error_set(reterr, ERR_INVALID, "a proof is missing at the end");
    memcpy(line->source->alternatives, alternatives, sizeof(alternatives));
    line->source->alternative_count = count + 1;
    return OK;
}

static enum err
set_token(const struct line *line, struct error *reterr)
{
    struct source *source = line->source;

    return add_hash(line, "the token", source->token_hashes, &source->token_count, reterr);
}

static enum err
set_basic(const struct line *line, struct error *reterr)
{
    struct source *source = line->source;
    size_t colon = str_find(line->value, ':', 0);

    if (colon == SIZE_MAX || colon == 0 || colon + 1 == line->value.len ||
        line->value.len > SOURCE_BASIC_BYTES_MAX)
        return error_set(reterr, ERR_INVALID,
            "user:password is expected, with neither part empty, of at most %d bytes",
            SOURCE_BASIC_BYTES_MAX);
    return add_hash_of(line->value, source->basic_hashes, &source->basic_count, reterr);
}

static enum err
set_basic_hash(const struct line *line, struct error *reterr)
{
    struct source *source = line->source;

    return add_hash(line, "user:password", source->basic_hashes, &source->basic_count, reterr);
}

static enum err
set_header(const struct line *line, struct error *reterr)
{
    return set_header_name(line, &line->source->header_name, reterr);
}

static enum err
set_header_value(const struct line *line, struct error *reterr)
{
    struct source *source = line->source;

    return add_hash_of(line->value, source->header_hashes, &source->header_count, reterr);
}

static enum err
set_header_hash(const struct line *line, struct error *reterr)
{
    struct source *source = line->source;

    return add_hash(line, "the header's value", source->header_hashes, &source->header_count,
        reterr);
}

static enum err
set_address(const struct line *line, struct error *reterr)
{
    struct source *source = line->source;
    struct str rest = line->value;
    struct str piece;

    if (source->addresses == NULL)
        source->addresses = arena_alloc_array(line->arena, CIDR_MAX, sizeof(struct cidr));
    if (source->addresses == NULL)
        return out_of_memory(reterr);
    while (next_piece(&rest, &piece)) {
        enum err err;

        if (source->address_count == CIDR_MAX)
            return error_set(reterr, ERR_INVALID, "more than %d ranges", CIDR_MAX);
        err = cidr_parse(piece, &source->addresses[source->address_count], reterr);
        if (err != OK)
            return err;
        source->address_count++;
    }
    return OK;
}

/* --- signatures ------------------------------------------------------------------------------- */

static enum err
set_signature(const struct line *line, struct error *reterr)
{
    CLEANUP(buf_done) struct buf names;

    buf_init(&names, 120);
    if (str_equals(line->value, STR("standard-webhooks")) || str_equals(line->value, STR("svix"))) {
        line->source->is_standard = true;
        return OK;
    }
    if (str_equals(line->value, STR("hmac"))) {
        line->source->scheme = line->source->own_scheme;
        return OK;
    }
    line->source->scheme = scheme_find(line->value);
    if (line->source->scheme != NULL)
        return OK;
    scheme_names(&names);
    return error_set(reterr, ERR_INVALID, "\"%.*s\" is none of standard-webhooks, svix, %.*s",
        STR_FMT(str_slice(line->value, 0, 64)), STR_FMT(buf_str(&names)));
}

static enum err
add_secret(const struct line *line, struct str secret, struct error *reterr)
{
    struct source *source = line->source;
    enum err err = check_room(source->secret_count, reterr);
    char *bytes;

    if (err != OK)
        return err;
    if (secret.len == 0 || secret.len > SCHEME_SECRET_BYTES_MAX)
        return error_set(reterr, ERR_INVALID, "a secret has 1 to %d bytes, this has %zu",
            SCHEME_SECRET_BYTES_MAX, secret.len);
    bytes = arena_alloc(line->arena, secret.len);
    if (bytes == NULL)
        return out_of_memory(reterr);
    memcpy(bytes, secret.ptr, secret.len);
    source->secret_bytes[source->secret_count] = bytes;
    source->secrets[source->secret_count++] = (struct str){bytes, secret.len};
    return OK;
}

static enum err
set_secret(const struct line *line, struct error *reterr)
{
    return add_secret(line, line->value, reterr);
}

static void
secrets_wipe(struct buf *buf)
{
    if (buf->ptr != NULL)
        wipe(buf->ptr, buf->capacity);
    buf_done(buf);
}

/* A secret a line; blank lines do not count. */
static enum err
set_secret_file(const struct line *line, struct error *reterr)
{
    CLEANUP(secrets_wipe) struct buf content;
    struct str path = arena_copy(line->arena, line->value);
    size_t before = line->source->secret_count;
    struct str rest;
    struct str secret;
    enum err err;

    buf_init(&content, SECRET_FILE_BYTES_MAX);
    if (path.ptr == NULL)
        return out_of_memory(reterr);
    /* At once, so that no smaller copy of it is left behind by growing. */
    if (buf_reserve(&content, SECRET_FILE_BYTES_MAX) == NULL)
        return out_of_memory(reterr);
    err = file_read_secret(path.ptr, &content, reterr);
    rest = buf_str(&content);
    while (err == OK && str_split(&rest, '\n', &secret)) {
        secret = str_trim(secret);
        if (secret.len > 0)
            err = add_secret(line, secret, reterr);
    }
    if (err == OK && line->source->secret_count == before)
        err = error_set(reterr, ERR_INVALID, "%s is empty", path.ptr);
    return err;
}

static enum err
set_tolerance(const struct line *line, struct error *reterr)
{
    return set_number(line, TOLERANCE_S_MIN, TOLERANCE_S_MAX, &line->source->tolerance_s, reterr);
}

/* --- the generic signature -------------------------------------------------------------------- */

static enum err
set_hmac_header(const struct line *line, struct error *reterr)
{
    return set_header_name(line, &line->source->own_scheme->field, reterr);
}

static enum err
set_prefix(const struct line *line, struct str *ret, struct error *reterr)
{
    if (line->value.len > PREFIX_BYTES_MAX)
        return error_set(reterr, ERR_INVALID, "a prefix has at most %d bytes", PREFIX_BYTES_MAX);
    return keep(line, line->value, ret, reterr);
}

static enum err
set_hmac_prefix(const struct line *line, struct error *reterr)
{
    return set_prefix(line, &line->source->own_scheme->prefix, reterr);
}

static enum err
set_hmac_separator(const struct line *line, struct error *reterr)
{
    struct str value = line->value;

    if (str_equals(value, STR("space")))
        value = STR(" ");
    else if (str_equals(value, STR("comma")))
        value = STR(",");
    if (value.len != 1 || strchr(" ,;|", value.ptr[0]) == NULL)
        return error_set(reterr, ERR_INVALID, "\"%.*s\" is none of comma, space, ; and |",
            STR_FMT(str_slice(value, 0, 40)));
    line->source->own_scheme->separator = value.ptr[0];
    return OK;
}

static enum err
set_hmac_signed(const struct line *line, struct error *reterr)
{
    size_t which = 0;
    enum err err = set_word(line, scheme_signed_names, &which, reterr);

    if (err == OK)
        line->source->own_scheme->what = (enum scheme_signed)which;
    return err;
}

static enum err
set_hmac_digest(const struct line *line, struct error *reterr)
{
    static const char *const words[] =
        {[HMAC_SHA256] = "sha256", [HMAC_SHA1] = "sha1", [HMAC_SHA512] = "sha512", NULL};
    size_t which = 0;
    enum err err = set_word(line, words, &which, reterr);

    if (err == OK)
        line->source->own_scheme->digest = (enum hmac_digest)which;
    return err;
}

static enum err
set_hmac_encoding(const struct line *line, struct error *reterr)
{
    static const char *const words[] = {[SCHEME_HEX] = "hex", [SCHEME_BASE64] = "base64", NULL};
    size_t which = 0;
    enum err err = set_word(line, words, &which, reterr);

    if (err == OK)
        line->source->own_scheme->encoding = (enum scheme_encoding)which;
    return err;
}

static enum err
set_hmac_time_header(const struct line *line, struct error *reterr)
{
    return set_header_name(line, &line->source->own_scheme->time_field, reterr);
}

static enum err
set_hmac_time_prefix(const struct line *line, struct error *reterr)
{
    return set_prefix(line, &line->source->own_scheme->time_prefix, reterr);
}

static enum err
set_hmac_id_header(const struct line *line, struct error *reterr)
{
    return set_header_name(line, &line->source->own_scheme->id_field, reterr);
}

static enum err
set_hmac_event_header(const struct line *line, struct error *reterr)
{
    return set_header_name(line, &line->source->own_scheme->event_field, reterr);
}

/* --- how its calls are read ------------------------------------------------------------------- */

static enum err
set_duplicates(const struct line *line, struct error *reterr)
{
    if (duplicate_policy_parse(line->value, &line->source->policy) != OK)
        return error_set(reterr, ERR_INVALID, "\"%.*s\" is none of latest, once, exact, none",
            STR_FMT(str_slice(line->value, 0, 64)));
    line->source->has_policy = true;
    return OK;
}

static enum err
add_paths(const struct line *line, struct identity_fields *fields, struct error *reterr)
{
    struct str rest = line->value;
    struct str piece;

    while (next_piece(&rest, &piece)) {
        enum err err;

        if (fields->count == IDENTITY_FIELDS_MAX)
            return error_set(reterr, ERR_INVALID, "more than %d fields", IDENTITY_FIELDS_MAX);
        if (str_starts(piece, STR("body.")))
            piece = str_slice(piece, 5, piece.len);
        err = field_path_parse(piece, line->arena, &fields->paths[fields->count], reterr);
        if (err != OK)
            return err;
        fields->count++;
    }
    return OK;
}

static enum err
set_identity(const struct line *line, struct error *reterr)
{
    return add_paths(line, &line->source->identity, reterr);
}

static enum err
set_ignore(const struct line *line, struct error *reterr)
{
    return add_paths(line, &line->source->ignored, reterr);
}

static enum err
set_id(const struct line *line, struct error *reterr)
{
    struct source *source = line->source;
    struct str path = str_slice(line->value, 5, line->value.len);
    enum err err;

    if (!str_starts(line->value, STR("body.")))
        return set_header_name(line, &source->id_field, reterr);
    err = field_path_parse(path, line->arena, &source->id_path, reterr);
    return err == OK ? keep(line, line->value, &source->id_field, reterr) : err;
}

static enum err
set_observe(const struct line *line, struct error *reterr)
{
    return set_flag(line, &line->source->is_observed, reterr);
}

static enum err
set_quarantine(const struct line *line, struct error *reterr)
{
    return set_flag(line, &line->source->is_quarantined, reterr);
}

static bool
is_decimal(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if ((text.ptr[i] < '0' || text.ptr[i] > '9') && text.ptr[i] != '.')
            return false;
    }
    return text.len > 0 && text.ptr[0] != '.';
}

static enum err
set_rate(const struct line *line, struct error *reterr)
{
    const struct json number = {.kind = JSON_NUMBER, .text = line->value};
    double rate = 0;

    if (!is_decimal(line->value) || json_to_double(&number, &rate) != OK || rate > RATE_MAX)
        return error_set(reterr, ERR_INVALID,
            "\"%.*s\" is not a number of calls a second, up to %.0f; 0 is no limit",
            STR_FMT(str_slice(line->value, 0, 64)), RATE_MAX);
    line->source->rate = rate;
    return OK;
}

static enum err
set_body_max(const struct line *line, struct error *reterr)
{
    int64_t kib = 0;
    enum err err = set_number(line, 1, HTTP_BODY_BYTES_MAX / 1024, &kib, reterr);

    if (err == OK)
        line->source->body_bytes_max = kib * 1024;
    return err;
}

/* --- the table -------------------------------------------------------------------------------- */

/* X(name, set, may it stand more than once?, argument, help) */
#define SETTINGS(X)                                                                                \
    X("accept", set_accept, ONCE, "PROOFS",                                                        \
        "Who may call: token, basic, header, signature, address, joined by `and` and `or`; none "  \
        "is everybody")                                                                            \
    X("token-sha256", set_token, AGAIN, "HEX",                                                     \
        "SHA-256 of the token in /in/NAME/TOKEN; two lines while one replaces the other")          \
    X("basic", set_basic, AGAIN, "USER:PASSWORD",                                                  \
        "What Authorization: Basic must hold; two lines while one replaces the other")             \
    X("basic-sha256", set_basic_hash, AGAIN, "HEX", "SHA-256 of USER:PASSWORD instead")            \
    X("header", set_header, ONCE, "NAME", "A header with a fixed value, such as X-Api-Key")        \
    X("header-value", set_header_value, AGAIN, "TEXT",                                             \
        "That value; two lines while one replaces the other")                                      \
    X("header-sha256", set_header_hash, AGAIN, "HEX", "SHA-256 of the value instead")              \
    X("signature", set_signature, ONCE, "SCHEME",                                                  \
        "standard-webhooks, svix, github, stripe, shopify, slack, zoom, or hmac with the "         \
        "settings "                                                                                \
        "below")                                                                                   \
    X("secret", set_secret, AGAIN, "TEXT",                                                         \
        "Its secret, as the sender shows it; two lines while one replaces the other")              \
    X("secret-file", set_secret_file, ONCE, "FILE",                                                \
        "File with the secret instead, one a line; nobody but its owner may read it")              \
    X("tolerance", set_tolerance, ONCE, "SECONDS",                                                 \
        "How old, or ahead, a signed time may be, 30 to 3600; 300 without it")                     \
    X("hmac-header", set_hmac_header, ONCE, "NAME", "Header that holds the signature")             \
    X("hmac-prefix", set_hmac_prefix, ONCE, "TEXT", "What stands in front of it, such as sha256=") \
    X("hmac-separator", set_hmac_separator, ONCE, "SEPARATOR",                                     \
        "What stands between several: comma, space, ; or |")                                       \
    X("hmac-signed", set_hmac_signed, ONCE, "WHAT",                                                \
        "What is signed: body, time.body, time:body, v0:time:body, id.time.body; body without it") \
    X("hmac-digest", set_hmac_digest, ONCE, "sha256|sha1|sha512", "sha256 without it")             \
    X("hmac-encoding", set_hmac_encoding, ONCE, "hex|base64", "hex without it")                    \
    X("hmac-time-header", set_hmac_time_header, ONCE, "NAME",                                      \
        "Header that holds the time, in seconds since 1970")                                       \
    X("hmac-time-prefix", set_hmac_time_prefix, ONCE, "TEXT",                                      \
        "Or: what stands before it in the signature's header, such as t=")                         \
    X("hmac-id-header", set_hmac_id_header, ONCE, "NAME",                                          \
        "Header that holds the sender's id of the call")                                           \
    X("hmac-event-header", set_hmac_event_header, ONCE, "NAME",                                    \
        "Header that holds the event's name")                                                      \
    X("address", set_address, AGAIN, "CIDR",                                                       \
        "Callers' addresses; behind a proxy, those it tells; several with commas or lines")        \
    X("event", set_event, ONCE, "NAME",                                                            \
        "What all its calls are, such as webinar.created.single, where they do not say so")        \
    X("duplicates", set_duplicates, ONCE, "latest|once|exact|none",                                \
        "What is a duplicate; by the event without it")                                            \
    X("identity", set_identity, AGAIN, "PATHS",                                                    \
        "Fields that tell what a call is about, such as callList.0.webinarId, email")              \
    X("ignore", set_ignore, AGAIN, "PATHS", "Fields that change without meaning")                  \
    X("id", set_id, ONCE, "HEADER|body.PATH",                                                      \
        "Where the sender's own id of a call is: the same id is a duplicate")                      \
    X("observe", set_observe, ONCE, "yes|no",                                                      \
        "Log which proofs each call would pass, to find out what a sender brings")                 \
    X("quarantine", set_quarantine, ONCE, "yes|no",                                                \
        "Keep refused calls for a while, to be let in once a mistake here is mended; yes without " \
        "it")                                                                                      \
    X("rate", set_rate, ONCE, "N",                                                                 \
        "More calls a second are answered 429; without it, or 0, none is refused for load")        \
    X("body-max-kib", set_body_max, ONCE, "KIB", "Larger bodies are answered 413; 1024 without it")

#define AGAIN true
#define ONCE  false

#define SETTING(name, set, may_repeat, argument, help) {name, argument, help},
const struct source_setting source_settings[] = {SETTINGS(SETTING)};
const size_t source_setting_count = COUNT_OF(source_settings);

#define RULE(name, set, may_repeat, argument, help) {set, may_repeat},

static const struct rule {
    enum err (*set)(const struct line *line, struct error *reterr);
    bool may_repeat;
} rules[] = {SETTINGS(RULE)};

_Static_assert(COUNT_OF(rules) <= 64, "struct source has a bit for each");

static enum err
not_found(struct str name, struct error *reterr)
{
    return error_set(reterr, ERR_NOT_FOUND,
        "a source has no \"%.*s\": there are accept, token-sha256, basic, header, signature, "
        "secret, tolerance, hmac-…, address, event, duplicates, identity, ignore, id, observe, "
        "quarantine, rate, body-max-kib",
        STR_FMT(str_slice(name, 0, 40)));
}

static enum err
value_check(struct str value, struct error *reterr)
{
    if (value.len == 0)
        return error_set(reterr, ERR_INVALID, "a value is missing");
    for (size_t i = 0; i < value.len; i++) {
        if ((unsigned char)value.ptr[i] < ' ' || value.ptr[i] == 0x7f)
            return error_set(reterr, ERR_INVALID, "the value holds a control character");
    }
    return OK;
}

/* Where the hmac-… settings go, in whichever order they and the signature stand. */
static enum err
own_scheme_make(struct source *source, struct arena *arena, struct error *reterr)
{
    if (source->own_scheme != NULL)
        return OK;
    source->own_scheme = ARENA_NEW(arena, struct scheme);
    if (source->own_scheme == NULL)
        return out_of_memory(reterr);
    *source->own_scheme = *scheme_find(STR("hmac"));
    return OK;
}

enum err
source_set(struct source *source, struct arena *arena, struct str name, struct str value,
    struct error *reterr)
{
    const struct line line = {source, arena, str_trim(value)};
    uint64_t bit;
    size_t row = 0;
    enum err err;

    while (row < COUNT_OF(rules) && !str_equals(name, str_from(source_settings[row].name)))
        row++;
    if (row == COUNT_OF(rules))
        return not_found(name, reterr);
    bit = UINT64_C(1) << row;
    err = value_check(line.value, reterr);
    if (err == OK && (source->given & bit) != 0 && !rules[row].may_repeat)
        err = error_set(reterr, ERR_INVALID, "it was given before");
    if (err == OK)
        err = own_scheme_make(source, arena, reterr);
    if (err == OK)
        err = rules[row].set(&line, reterr);
    if (err != OK) {
        error_prefix(reterr, "%s", source_settings[row].name);
        return err;
    }
    source->given |= bit;
    return OK;
}
