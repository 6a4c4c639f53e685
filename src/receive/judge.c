/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/check.h"
#include "base/encode.h"
#include "receive/judge_inside.h"

static void
judge_freep(struct source_judge **judge)
{
    source_judge_free(*judge);
}

static enum err
standard_new(struct source_judge *judge, const struct source *source, struct error *reterr)
{
    struct secret secrets[SOURCE_SECRETS_MAX] = {0};
    enum err err = OK;

    for (size_t i = 0; err == OK && i < source->secret_count; i++)
        err = secret_parse(source->secrets[i], &secrets[i], reterr);
    for (size_t i = 0; err == OK && i < source->secret_count; i++)
        judge->digests_each += secrets[i].kind == SECRET_V1;
    if (err == OK) {
        err = verifier_new(secrets, source->secret_count, source->tolerance_s, &judge->verifier);
        if (err != OK)
            error_set(reterr, err, "out of memory for the keys of a source");
    }
    for (size_t i = 0; i < COUNT_OF(secrets); i++)
        secret_wipe(&secrets[i]);
    return err;
}

enum err
source_judge_new(const struct source *source, struct source_judge **ret, struct error *reterr)
{
    CLEANUP(judge_freep) struct source_judge *judge = calloc(1, sizeof(*judge));
    enum err err = OK;

    if (judge == NULL || sha256_new(&judge->sha256) != OK ||
        hmac_new("nobody", 6, &judge->nobody) != OK)
        return error_set(reterr, ERR_NOMEM, "out of memory for the keys of a source");
    judge->source = source;
    if (source != NULL && source->is_standard && source->secret_count > 0) {
        err = standard_new(judge, source, reterr);
    } else if (source != NULL && source->scheme != NULL && source->secret_count > 0) {
        err = scheme_keys_new(source->scheme, source->secrets, source->secret_count, &judge->keys,
            reterr);
        judge->digests_each = (unsigned)source->secret_count;
    }
    if (err == OK)
        *ret = TAKE(judge);
    return err;
}

void
source_judge_free(struct source_judge *judge)
{
    if (judge == NULL)
        return;
    sha256_free(judge->sha256);
    hmac_free(judge->nobody);
    verifier_free(judge->verifier);
    scheme_keys_free(judge->keys);
    free(judge);
}

/* Compared with all there are, whichever it is. */
static enum err
text_check(struct source_judge *judge, struct str text,
    const uint8_t hashes[SOURCE_SECRETS_MAX][SHA256_BYTES], size_t count)
{
    uint8_t digest[SHA256_BYTES];
    bool match = false;
    enum err err = sha256_make(judge->sha256, text, digest);

    for (size_t i = 0; err == OK && i < count; i++)
        match |= equals_constant_time(digest, hashes[i], SHA256_BYTES);
    if (err == OK && !match)
        err = ERR_DENIED;
    return err;
}

static enum err
token_check(struct source_judge *judge, const struct source_call *call, struct error *reterr)
{
    const struct source *source = judge->source;
    enum err err = text_check(judge, call->token, source->token_hashes, source->token_count);

    if (err == OK && call->token.len == 0)
        err = ERR_DENIED; /* whatever the digests say: nothing proves nothing */
    if (err == ERR_DENIED)
        error_set(reterr, err, "%s",
            call->token.len == 0 ? "there is none in the path" : "not the one that is set");
    return err;
}

size_t
basic_decode(const struct http_head *head, char text[SOURCE_BASIC_BYTES_MAX])
{
    struct str field = http_head_field(head, STR("Authorization"));
    size_t len = 0;

    if (!str_equals_nocase(str_slice(field, 0, 6), STR("Basic ")) ||
        base64_decode(str_trim(str_slice(field, 6, field.len)), text, SOURCE_BASIC_BYTES_MAX,
            &len) != OK)
        return SIZE_MAX;
    return len;
}

static enum err
basic_check(struct source_judge *judge, const struct source_call *call, struct error *reterr)
{
    const struct source *source = judge->source;
    char text[SOURCE_BASIC_BYTES_MAX];
    size_t len = basic_decode(call->head, text);
    struct str pair = {text, len == SIZE_MAX ? 0 : len};
    enum err err = text_check(judge, pair, source->basic_hashes, source->basic_count);

    if (err == OK && len == SIZE_MAX)
        err = ERR_DENIED;
    if (err == ERR_DENIED)
        error_set(reterr, err, "%s",
            len == SIZE_MAX ? "there is no Authorization: Basic" : "not the one that is set");
    wipe(text, sizeof(text));
    return err;
}

static enum err
header_check(struct source_judge *judge, const struct source_call *call, struct error *reterr)
{
    const struct source *source = judge->source;
    struct str value = http_head_field(call->head, source->header_name);
    enum err err = text_check(judge, value, source->header_hashes, source->header_count);

    if (err == OK && value.len == 0)
        err = ERR_DENIED;
    if (err == ERR_DENIED && value.ptr == NULL)
        return error_set(reterr, err, "there is no %.*s", STR_FMT(source->header_name));
    if (err == ERR_DENIED)
        return error_set(reterr, err, "%.*s is not what is set", STR_FMT(source->header_name));
    return err;
}

static enum err
address_check(const struct source_judge *judge, const struct source_call *call,
    struct error *reterr)
{
    const struct source *source = judge->source;
    char text[ADDRESS_TEXT_BYTES];

    for (size_t i = 0; i < source->address_count; i++) {
        if (cidr_holds(&source->addresses[i], &call->peer))
            return OK;
    }
    address_format(&call->peer, text);
    return error_set(reterr, ERR_DENIED, "%s is in no range that is set", text);
}

struct str
scheme_field_of(const void *arg, struct str name)
{
    return http_head_field(arg, name);
}

struct signature_fields
standard_fields(const struct http_head *head)
{
    struct str signature = http_head_field(head, STR("webhook-signature"));

    if (signature.ptr != NULL)
        return (struct signature_fields){
            .id = http_head_field(head, STR("webhook-id")),
            .timestamp = http_head_field(head, STR("webhook-timestamp")),
            .signature = signature,
        };
    return (struct signature_fields){
        .id = http_head_field(head, STR("svix-id")),
        .timestamp = http_head_field(head, STR("svix-timestamp")),
        .signature = http_head_field(head, STR("svix-signature")),
    };
}

static enum err
signature_check(struct source_judge *judge, const struct source_call *call, struct error *reterr)
{
    const struct source *source = judge->source;

    if (judge->verifier != NULL) {
        struct signature_fields fields = standard_fields(call->head);

        if (signature_is_computed(judge->verifier, &fields, call->now))
            judge->digests += judge->digests_each;
        return signature_verify(judge->verifier, &fields, call->body, call->now, reterr);
    }
    if (judge->keys != NULL) {
        const struct scheme_call asked = {scheme_field_of, call->head, call->body, call->now};

        judge->digests += judge->digests_each;
        return scheme_verify(source->scheme, judge->keys, &asked, source->tolerance_s, reterr);
    }
    return error_set(reterr, ERR_DENIED, "there is no secret");
}

enum err
proof_check(struct source_judge *judge, const struct source_call *call, enum proof proof,
    unsigned *inout_worked, struct error *reterr)
{
    switch (proof) {
    case PROOF_TOKEN: *inout_worked |= PROOF_TOKEN; return token_check(judge, call, reterr);
    case PROOF_BASIC: *inout_worked |= PROOF_BASIC; return basic_check(judge, call, reterr);
    case PROOF_HEADER: *inout_worked |= PROOF_HEADER; return header_check(judge, call, reterr);
    case PROOF_SIGNATURE: return signature_check(judge, call, reterr);
    case PROOF_ADDRESS: return address_check(judge, call, reterr);
    }
    UNREACHABLE;
}

/* What a refusal did not need is done all the same: how long it takes must not tell which names
 * there are, nor which proof was the wrong one. */
static void
make_up(struct source_judge *judge, const struct source_call *call, unsigned worked)
{
    uint8_t digest[SHA256_BYTES];
    char text[SOURCE_BASIC_BYTES_MAX];
    enum err err = OK;

    if ((worked & PROOF_TOKEN) == 0)
        err = sha256_make(judge->sha256, call->token, digest);
    if (err == OK && (worked & PROOF_BASIC) == 0) {
        size_t len = basic_decode(call->head, text);

        err = sha256_make(judge->sha256, (struct str){text, len == SIZE_MAX ? 0 : len}, digest);
        wipe(text, sizeof(text));
    }
    if (err == OK && (worked & PROOF_HEADER) == 0)
        err = sha256_make(judge->sha256, (struct str){NULL, 0}, digest);
    for (; err == OK && judge->digests < SOURCE_SECRETS_MAX; judge->digests++)
        err = hmac_sign(judge->nobody, call->body, digest);
    (void)err; /* it is refused anyway */
}

/* Is one of the alternatives whole? */
static bool
is_met(const struct source *source, unsigned met)
{
    for (size_t i = 0; i < source->alternative_count; i++) {
        if ((source->alternatives[i] & ~met) == 0)
            return true;
    }
    return false;
}

/* Put "proof: why" behind the reasons that are there. */
static void
add_reason(struct error *reasons, enum proof proof, const struct error *why)
{
    error_set(reasons, ERR_DENIED, "%s%s%s: %s", reasons->text,
        reasons->text[0] != '\0' ? "; " : "", proof_name(proof), why->text);
}

/* Every proof that any alternative names is looked at, also when enough was seen. */
static enum err
weigh(struct source_judge *judge, const struct source_call *call, unsigned *inout_worked,
    struct error *reterr)
{
    const struct source *source = judge->source;
    unsigned needed = source_proofs(source);
    struct error reasons = {.code = ERR_DENIED};

    for (unsigned proof = PROOF_TOKEN; proof <= PROOF_ADDRESS; proof <<= 1) {
        struct error why;
        enum err err;

        if ((needed & proof) == 0)
            continue;
        err = proof_check(judge, call, (enum proof)proof, inout_worked, &why);
        if (err == OK)
            judge->met |= proof;
        else if (err == ERR_DENIED || err == ERR_LIMIT)
            add_reason(&reasons, (enum proof)proof, &why);
        else
            return error_set(reterr, err, "out of memory");
    }
    if (is_met(source, judge->met))
        return OK;
    if (reterr != NULL)
        *reterr = reasons;
    return ERR_DENIED;
}

enum err
source_judge(struct source_judge *judge, const struct source_call *call, struct error *reterr)
{
    unsigned worked = 0;
    enum err err;

    judge->met = 0;
    judge->digests = 0;
    if (judge->source == NULL)
        err = error_set(reterr, ERR_DENIED, "there is no such source");
    else if (judge->source->accepts_all)
        err = OK;
    else
        err = weigh(judge, call, &worked, reterr);
    if (err == ERR_DENIED)
        make_up(judge, call, worked);
    return err;
}

bool
source_answer(struct source_judge *judge, const struct json *body, struct buf *answer)
{
    if (judge->keys == NULL || (judge->met & PROOF_SIGNATURE) == 0)
        return false;
    return scheme_answer(judge->source->scheme, judge->keys, body, answer);
}
