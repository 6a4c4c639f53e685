/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libusher: verify, read, build and sign webhook calls about webinars.
 *
 * For programs that want no server: an endpoint that checks a call and reads it, or a sender that
 * makes one. Nothing here has global state, reads the clock, the environment or a file of its own
 * accord, writes to a log, or ends the program because of its input. Functions may be called from
 * any thread; an object belongs to one thread at a time, but for zones, which any number may use.
 *
 *     struct usher_call call = {id, timestamp, signature, body, len};
 *
 *     usher_verifier_new("whsec_…", NULL, 300, &verifier);
 *     if (usher_verify(verifier, &call, now) != USHER_OK)
 *         answer(401);
 *     else if (usher_payload_parse(body, len, &payload) == USHER_OK) {
 *         puts(usher_payload_name(payload));
 *         usher_payload_free(payload);
 *         answer(200);
 *     }
 *
 * Texts are UTF-8 and end in a NUL, so one that holds a NUL itself ends there; they belong to the
 * object they came from and live as long as it does. "May be NULL" is said where it is so. What a
 * function writes through a pointer it writes on success alone. What is made by x_new or x_parse is
 * given back to x_free, which takes NULL.
 */
#ifndef USHER_USHER_H
#define USHER_USHER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The interface, as USHER_API_VERSION of the program that was built; usher_version() is that of the
 * library that was found. Functions are added, never changed: each carries its version as a symbol
 * version. */
#define USHER_API_VERSION 1
const char *usher_version(void); /* "0.1.0" */

enum usher_result {
    USHER_OK = 0,
    USHER_INVALID = 1, /* an argument or an input breaks its rule */
    USHER_DENIED = 2,  /* not signed by any of the secrets, or not now */
    USHER_LIMIT = 3,   /* too large: a body beyond 1 MiB, JSON deeper than 64 */
    USHER_NOMEM = 4
};

/* "denied": for a log. */
const char *usher_result_name(enum usher_result result);

/* --- verify: Standard Webhooks, v1 and v1a ---------------------------------------------------- */

struct usher_verifier;

/* secret: whsec_… (shared) or whpk_… (public); old_secret: the one before, while it is being
 * rotated, may be NULL. tolerance_s: how far the call's clock may be from ours either way; 300 is
 * usual. */
enum usher_result usher_verifier_new(const char *secret, const char *old_secret,
    int64_t tolerance_s, struct usher_verifier **ret_verifier);
void usher_verifier_free(struct usher_verifier *verifier);

/* A call as it came: the headers webhook-id, webhook-timestamp and webhook-signature, each NULL
 * when it is not there, which is denied; and the body's bytes as they are, before any parser. */
struct usher_call {
    const char *id;
    const char *timestamp;
    const char *signature;
    const void *body;
    size_t body_len;
};

/* now_s: seconds since 1970. Takes the same time wherever it fails. */
enum usher_result usher_verify(struct usher_verifier *verifier, const struct usher_call *call,
    int64_t now_s);

/* --- sign ------------------------------------------------------------------------------------- */

struct usher_signer;

/* secret: whsec_… or whsk_…; old_secret may be NULL: then there is one signature, else two. */
enum usher_result usher_signer_new(const char *secret, const char *old_secret,
    struct usher_signer **ret_signer);
void usher_signer_free(struct usher_signer *signer);
/* *ret_header: the value of webhook-signature, the signer's until its next use. */
enum usher_result usher_sign(struct usher_signer *signer, const char *id, int64_t timestamp_s,
    const void *body, size_t body_len, const char **ret_header);

/* A new secret, whsec_…, from 32 bytes of good randomness. text has room for USHER_SECRET_BYTES. */
#define USHER_SECRET_BYTES 95
enum usher_result usher_secret_make(const unsigned char random[32], char text[USHER_SECRET_BYTES]);

/* --- read: a body of the family webinar.*, order.*, course.*, subscription.*, user.* ---------- */

struct usher_payload;

/* Well-formed JSON of whatever shape is taken; USHER_INVALID is for what is no JSON. */
enum usher_result usher_payload_parse(const void *body, size_t body_len,
    struct usher_payload **ret_payload);
void usher_payload_free(struct usher_payload *payload);

/* Each is NULL when it is not there. The phone as a text, whether it came as number or string. */
const char *usher_payload_name(const struct usher_payload *payload);
const char *usher_payload_email(const struct usher_payload *payload);
const char *usher_payload_phone(const struct usher_payload *payload);
const char *usher_payload_mangoes(const struct usher_payload *payload);
const char *usher_payload_timezone(const struct usher_payload *payload); /* "+05:30" */
/* Can it be read at all, and does it contradict itself (local time less offset is not UTC)? */
int usher_payload_is_recognised(const struct usher_payload *payload);
int usher_payload_is_contradictory(const struct usher_payload *payload);

/* Its sessions: one of a single webinar, several of a series, none of an order. */
size_t usher_payload_session_count(const struct usher_payload *payload);

#define USHER_NO_TIME INT64_MIN

struct usher_session {
    const char *webinar; /* title; may be NULL, as the next two */
    const char *webinar_id;
    const char *link;
    int64_t from_us; /* microseconds since 1970 UTC, or USHER_NO_TIME */
    int64_t to_us;
    /* RFC 3339 with the offset, "2024-03-15T15:30:00+05:30": unlike the body's own local times
     * these are instants. NULL when there is no time or no zone. */
    const char *from_creator;
    const char *to_creator;
    const char *from_attendee;
    const char *to_attendee;
    const char *creator_timezone; /* "+05:30"; may be NULL */
};

/* USHER_INVALID: there is no session of that index. */
enum usher_result usher_payload_session(const struct usher_payload *payload, size_t index,
    struct usher_session *ret_session);

/* A digest of what the body means: the same for the same content in another order. 32 bytes. */
enum usher_result usher_payload_version(const struct usher_payload *payload,
    unsigned char ret_digest[32]);

/* --- zones ------------------------------------------------------------------------------------ */

struct usher_zone; /* never changes */

/* From the content of a TZif file (RFC 9636), such as /usr/share/zoneinfo/Asia/Kolkata. */
enum usher_result usher_zone_new(const char *name, const void *tzif, size_t tzif_len,
    struct usher_zone **ret_zone);
/* Always so many minutes east of UTC. */
enum usher_result usher_zone_new_fixed(int32_t offset_minutes, struct usher_zone **ret_zone);
void usher_zone_free(struct usher_zone *zone);
/* In whole minutes; beyond the years 0000 to 9999 as at their ends. */
int32_t usher_zone_offset_minutes(const struct usher_zone *zone, int64_t at_us);
/* The instant that a wall clock ("2024-03-15T15:30:00") means. *ret_adjusted: 0, or 1 where the
 * clocks jumped over it, 2 where they showed it twice (the first is meant); may be NULL. */
enum usher_result usher_zone_resolve(const struct usher_zone *zone, const char *local,
    int64_t *ret_at_us, int *ret_adjusted);

/* --- build: the body of webinar.created.single ------------------------------------------------ */

struct usher_attendee {
    const char *name;
    const char *email;
    const char *phone;             /* may be NULL */
    const struct usher_zone *zone; /* may be NULL: not known */
};

struct usher_webinar {
    const char *title;
    const char *id; /* 24 hex digits */
    const char *link;
    int64_t from_us;
    int64_t to_us;
    const struct usher_zone *zone; /* the creator's */
    const char *const *mangoes;    /* names */
    size_t mango_count;
};

/* USHER_INVALID: a text is no UTF-8 or is not there, an id is no 24 hex digits, a time lies beyond
 * the years 0000 to 9999. *ret_body is to be given to usher_text_free; it ends in a NUL that
 * *ret_len does not count. */
enum usher_result usher_payload_build(const struct usher_attendee *attendee,
    const struct usher_webinar *webinar, char **ret_body, size_t *ret_len);
void usher_text_free(char *text);

#ifdef __cplusplus
}
#endif

#endif
