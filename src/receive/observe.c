/* SPDX-License-Identifier: Apache-2.0 */
#include "base/check.h"
#include "base/encode.h"
#include "receive/judge_inside.h"

/* A call brings one or two; more of them are told to be "more". */
#define FIELDS_MAX 16

/* Parts of names of fields that prove something, in lower case. */
static const char *const marks[] = {"auth", "key", "token", "sign", "secret", "hmac", "hash",
    "password", "credential", "verif", "cookie", "webhook-", "svix-"};

static char
lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool
holds_nocase(struct str text, struct str part)
{
    for (size_t from = 0; from + part.len <= text.len; from++) {
        size_t i = 0;

        while (i < part.len && lower(text.ptr[from + i]) == part.ptr[i])
            i++;
        if (i == part.len)
            return true;
    }
    return false;
}

bool
source_field_proves(const struct source *source, struct str name)
{
    for (size_t i = 0; i < COUNT_OF(marks); i++) {
        if (holds_nocase(name, str_from(marks[i])))
            return true;
    }
    return source != NULL && str_equals_nocase(name, source->header_name);
}

/* "43 bytes, sha256 1a2b": enough to know a value again, and to compare it with a setting's hash,
 * and too little to find it by. */
static void
append_value(struct source_judge *judge, struct str value, struct buf *text)
{
    uint8_t digest[SHA256_BYTES];

    buf_printf(text, "%zu bytes", value.len);
    if (sha256_make(judge->sha256, value, digest) == OK) {
        buf_append_literal(text, ", sha256 ");
        hex_append(text, digest, 2);
    }
}

static void
append_field(struct source_judge *judge, const struct source_call *call,
    const struct http_field *field, struct buf *text)
{
    buf_printf(text, "; %.*s: ", STR_FMT(str_slice(field->name, 0, 64)));
    if (str_equals_nocase(field->name, STR("Authorization"))) {
        char pair[SOURCE_BASIC_BYTES_MAX];
        size_t len = basic_decode(call->head, pair);
        size_t blank = str_find(field->value, ' ', 0);

        if (len != SIZE_MAX) {
            buf_append_literal(text, "Basic with user:password of ");
            append_value(judge, (struct str){pair, len}, text);
            wipe(pair, sizeof(pair));
            return;
        }
        if (blank != SIZE_MAX && blank <= 16)
            buf_printf(text, "%.*s with ", STR_FMT(str_slice(field->value, 0, blank)));
    }
    append_value(judge, field->value, text);
}

static void
append_fields(struct source_judge *judge, const struct source_call *call, struct buf *text)
{
    size_t told = 0;

    for (size_t i = 0; i < call->head->field_count; i++) {
        const struct http_field *field = &call->head->fields[i];

        if (!source_field_proves(judge->source, field->name))
            continue;
        if (told++ == FIELDS_MAX) {
            buf_append_literal(text, "; and more");
            return;
        }
        append_field(judge, call, field, text);
    }
}

/* Which proofs that are set up, named in accept or not, this call would pass. */
static void
append_proofs(struct source_judge *judge, const struct source_call *call, struct buf *text)
{
    unsigned set = judge->source != NULL ? source_proofs_set(judge->source) : 0;
    unsigned worked = 0;
    bool any = false;

    buf_append_literal(text, "would pass:");
    for (unsigned proof = PROOF_TOKEN; proof <= PROOF_ADDRESS; proof <<= 1) {
        if ((set & proof) == 0 || proof_check(judge, call, (enum proof)proof, &worked, NULL) != OK)
            continue;
        buf_printf(text, "%s %s", any ? "," : "", proof_name((enum proof)proof));
        any = true;
    }
    if (!any)
        buf_append_literal(text, " nothing");
    for (unsigned proof = PROOF_TOKEN; proof <= PROOF_ADDRESS; proof <<= 1) {
        struct error why;

        if ((set & proof) != 0 && proof_check(judge, call, (enum proof)proof, &worked, &why) != OK)
            buf_printf(text, "; no %s: %s", proof_name((enum proof)proof), why.text);
    }
}

/* Would the source's secrets do by this scheme? */
static bool
passes_by(const struct source *source, const struct scheme *scheme, const struct source_call *call)
{
    CLEANUP(scheme_keys_freep) struct scheme_keys *keys = NULL;
    const struct scheme_call asked = {scheme_field_of, call->head, call->body, call->now};

    return source->secret_count > 0 &&
           scheme_keys_new(scheme, source->secrets, source->secret_count, &keys, NULL) == OK &&
           scheme_verify(scheme, keys, &asked, source->tolerance_s, NULL) == OK;
}

/* Whose signature the call has, by its fields, and whether our secrets fit it. */
static void
append_schemes(const struct source_judge *judge, const struct source_call *call, struct buf *text)
{
    const struct scheme *scheme;

    if (standard_fields(call->head).signature.ptr != NULL)
        buf_append_literal(text, "; has the signature of standard-webhooks or svix");
    for (size_t i = 0; (scheme = scheme_at(i)) != NULL; i++) {
        if (scheme->field.ptr == NULL || http_head_field(call->head, scheme->field).ptr == NULL)
            continue;
        buf_printf(text, "; has the signature of %s", scheme->name);
        if (judge->source != NULL && judge->source->scheme != scheme &&
            passes_by(judge->source, scheme, call))
            buf_append_literal(text, ", by our secret");
    }
}

void
source_observe(struct source_judge *judge, const struct source_call *call, struct buf *text)
{
    append_proofs(judge, call, text);
    append_schemes(judge, call, text);
    if (call->token.len > 0) {
        buf_append_literal(text, "; token in the path: ");
        append_value(judge, call->token, text);
    }
    append_fields(judge, call, text);
}
