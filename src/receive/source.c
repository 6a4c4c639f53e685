/* SPDX-License-Identifier: Apache-2.0 */
#include "receive/source.h"

#include "base/check.h"

const char *
proof_name(enum proof proof)
{
    switch (proof) {
    case PROOF_TOKEN: return "token";
    case PROOF_BASIC: return "basic";
    case PROOF_HEADER: return "header";
    case PROOF_SIGNATURE: return "signature";
    case PROOF_ADDRESS: return "address";
    }
    UNREACHABLE;
}

void
source_init(struct source *source, struct str name)
{
    *source = (struct source){
        .name = name,
        .tolerance_s = SIGNATURE_TOLERANCE_S,
        .is_quarantined = true,
        .body_bytes_max = HTTP_BODY_BYTES_MAX,
    };
}

void
source_wipe(struct source *source)
{
    for (size_t i = 0; i < source->secret_count; i++)
        wipe(source->secret_bytes[i], source->secrets[i].len);
}

unsigned
source_proofs(const struct source *source)
{
    unsigned proofs = 0;

    for (size_t i = 0; i < source->alternative_count; i++)
        proofs |= source->alternatives[i];
    return proofs;
}

static bool
is_given(const struct source *source, const char *name)
{
    for (size_t i = 0; i < source_setting_count; i++) {
        if (str_equals(str_from(source_settings[i].name), str_from(name)))
            return (source->given & (UINT64_C(1) << i)) != 0;
    }
    return false;
}

unsigned
source_proofs_set(const struct source *source)
{
    unsigned proofs = 0;

    if (source->token_count > 0)
        proofs |= PROOF_TOKEN;
    if (source->basic_count > 0)
        proofs |= PROOF_BASIC;
    if (source->header_name.len > 0 || source->header_count > 0)
        proofs |= PROOF_HEADER;
    if (source->is_standard || source->scheme != NULL || source->secret_count > 0)
        proofs |= PROOF_SIGNATURE;
    if (source->address_count > 0)
        proofs |= PROOF_ADDRESS;
    return proofs;
}

/* "token and address" */
static void
proofs_append(struct buf *buf, unsigned proofs)
{
    const char *between = "";

    for (unsigned proof = PROOF_TOKEN; proof <= PROOF_ADDRESS; proof <<= 1) {
        if ((proofs & proof) != 0) {
            buf_printf(buf, "%s%s", between, proof_name((enum proof)proof));
            between = " and ";
        }
    }
}

static enum err
accept_check(const struct source *source, struct error *reterr)
{
    CLEANUP(buf_done) struct buf names;
    unsigned set = source_proofs_set(source);
    unsigned left_out = set & ~source_proofs(source);

    buf_init(&names, 120);
    if (!source->accepts_all && source->alternative_count == 0) {
        proofs_append(&names, set);
        if (set == 0)
            return error_set(reterr, ERR_INVALID,
                "it does not say who may call: set accept = token, basic, header, signature or "
                "address, and what that needs; accept = none is everybody");
        return error_set(reterr, ERR_INVALID, "it does not say who may call: add accept = %.*s",
            STR_FMT(buf_str(&names)));
    }
    /* Who observes is trying out what is not asked for yet. */
    if (left_out != 0 && !source->is_observed) {
        proofs_append(&names, left_out);
        return error_set(reterr, ERR_INVALID,
            "%.*s is set up, but accept does not name it: calls would pass without it; name it "
            "there, or take it out, or try it with observe = yes",
            STR_FMT(buf_str(&names)));
    }
    return OK;
}

/* Of the generic scheme: can what it says be done? */
static enum err
generic_check(const struct scheme *scheme, struct error *reterr)
{
    const char *what = scheme_signed_names[scheme->what];
    bool has_time = scheme->time_field.len > 0 || scheme->time_prefix.len > 0;

    if (scheme->field.len == 0)
        return error_set(reterr, ERR_INVALID,
            "signature = hmac needs hmac-header, the header that holds the signature");
    if (scheme_has_time(scheme) && !has_time)
        return error_set(reterr, ERR_INVALID,
            "hmac-signed = %s needs hmac-time-header, or hmac-time-prefix where the time stands in "
            "the signature's header",
            what);
    if (!scheme_has_time(scheme) && has_time)
        return error_set(reterr, ERR_INVALID,
            "hmac-signed = body signs no time, and a time that is not signed says nothing: set "
            "hmac-signed = time.body or what the sender signs, or take the time out");
    if (scheme->time_field.len > 0 && scheme->time_prefix.len > 0)
        return error_set(reterr, ERR_INVALID,
            "hmac-time-header and hmac-time-prefix are two places for one time: keep one");
    if (scheme->time_prefix.len > 0 && scheme->separator == '\0')
        return error_set(reterr, ERR_INVALID,
            "hmac-time-prefix needs hmac-separator, what stands between time and signature");
    if (scheme->what == SIGNED_ID_TIME_BODY && scheme->id_field.len == 0)
        return error_set(reterr, ERR_INVALID, "hmac-signed = %s needs hmac-id-header", what);
    return OK;
}

/* A setting that begins with hmac- is there, and who would read it is not. */
static enum err
generic_unused_check(const struct source *source, struct error *reterr)
{
    for (size_t i = 0; i < source_setting_count; i++) {
        if (str_starts(str_from(source_settings[i].name), STR("hmac-")) &&
            (source->given & (UINT64_C(1) << i)) != 0)
            return error_set(reterr, ERR_INVALID, "%s is of signature = hmac, which is not set",
                source_settings[i].name);
    }
    return OK;
}

static enum err
standard_secrets_check(const struct source *source, struct error *reterr)
{
    enum err err = OK;

    for (size_t i = 0; err == OK && i < source->secret_count; i++) {
        CLEANUP(secret_wipe) struct secret secret = {0};

        err = secret_parse(source->secrets[i], &secret, reterr);
        if (err != OK)
            error_prefix(reterr, "secret");
    }
    return err;
}

static enum err
signature_settings_check(const struct source *source, struct error *reterr)
{
    bool is_generic = source->scheme != NULL && source->scheme == source->own_scheme;
    enum err err = OK;

    if (source->secret_count > 0 && !source->is_standard && source->scheme == NULL)
        return error_set(reterr, ERR_INVALID,
            "there is a secret and no signature: which scheme does the sender sign by?");
    if (source->secret_count == 0 && (source->is_standard || source->scheme != NULL))
        return error_set(reterr, ERR_INVALID,
            "signature needs secret or secret-file, as the sender shows it");
    if (!is_generic)
        err = generic_unused_check(source, reterr);
    else
        err = generic_check(source->scheme, reterr);
    if (err == OK && source->is_standard)
        err = standard_secrets_check(source, reterr);
    if (err == OK && is_given(source, "tolerance") && !source->is_standard &&
        (source->scheme == NULL || !scheme_has_time(source->scheme)))
        err = error_set(reterr, ERR_INVALID,
            "tolerance is of a signed time, and nothing that is signed here has one");
    return err;
}

/* All that its accept names is there to be compared with. */
static enum err
proofs_check(const struct source *source, struct error *reterr)
{
    unsigned missing = source_proofs(source) & ~source_proofs_set(source);

    if ((missing & PROOF_TOKEN) != 0)
        return error_set(reterr, ERR_INVALID,
            "accept names token: set token-sha256, the SHA-256 of a long random text");
    if ((missing & PROOF_BASIC) != 0)
        return error_set(reterr, ERR_INVALID,
            "accept names basic: set basic = user:password, or basic-sha256");
    if ((missing & PROOF_HEADER) != 0)
        return error_set(reterr, ERR_INVALID,
            "accept names header: set header, its name, and header-value or header-sha256");
    if ((missing & PROOF_SIGNATURE) != 0)
        return error_set(reterr, ERR_INVALID,
            "accept names signature: set signature, the sender's scheme, and its secret");
    if ((missing & PROOF_ADDRESS) != 0)
        return error_set(reterr, ERR_INVALID,
            "accept names address: set address = 192.0.2.0/24, or where its callers are");
    if (source->header_name.len > 0 && source->header_count == 0)
        return error_set(reterr, ERR_INVALID, "header needs header-value or header-sha256");
    if (source->header_count > 0 && source->header_name.len == 0)
        return error_set(reterr, ERR_INVALID, "there is a header's value, but no header: its name");
    return OK;
}

enum err
source_check(const struct source *source, struct error *reterr)
{
    enum err err = proofs_check(source, reterr);

    if (err == OK)
        err = signature_settings_check(source, reterr);
    if (err == OK)
        err = accept_check(source, reterr);
    return err;
}
