/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a judge is made of, for those who look over its shoulder: observe.c and facts.c.
 */
#ifndef RECEIVE_JUDGE_INSIDE_H
#define RECEIVE_JUDGE_INSIDE_H

#include "receive/source.h"

struct source_judge {
    const struct source *source; /* borrowed; NULL: of a name that is not there */
    struct sha256 *sha256;       /* owned */
    struct hmac *nobody;         /* owned: a key that proves nothing */
    struct verifier *verifier;   /* owned; NULL: no Standard Webhooks */
    struct scheme_keys *keys;    /* owned; NULL: no scheme */
    unsigned met;                /* proofs that the call judged last brought */
    unsigned digests;            /* of a whole body, made for the call judged last */
    unsigned digests_each;       /* that its signature takes: one for each of its secrets */
};

/* One proof that the source is set up for. *inout_worked gets the proof's bit when its digest was
 * made; those of a whole body are counted in the judge. ERR_DENIED says why without naming the
 * proof. */
MUST_CHECK enum err proof_check(struct source_judge *judge, const struct source_call *call,
    enum proof proof, unsigned *inout_worked, struct error *reterr);

/* As scheme_call wants them; arg is the struct http_head. */
struct str scheme_field_of(const void *arg, struct str name);

/* Those of webhook-… where there is a webhook-signature, else those of svix-…: never mixed, since
 * only one family's id is signed. */
struct signature_fields standard_fields(const struct http_head *head);

/* "user:password" of an Authorization: Basic into text; its length, or SIZE_MAX: there is none. */
size_t basic_decode(const struct http_head *head, char text[SOURCE_BASIC_BYTES_MAX]);

#endif
