/* SPDX-License-Identifier: Apache-2.0 */
#include "send/request.h"

#include "domain/payload.h"

enum err
request_url(const struct hook *hook, struct arena *arena, struct url *ret, struct error *reterr)
{
    struct url url;
    enum err err = url_parse(hook->url, arena, &url, reterr);

    if (err == OK) {
        url.user_info = hook->user_info;
        *ret = url;
    }
    return err;
}

enum err
request_signer(const struct hook *hook, struct walltime now, struct signer **ret,
    struct walltime *ret_until, struct error *reterr)
{
    struct secret secrets[SIGNATURE_SECRETS_MAX] = {0};
    struct walltime until = {0};
    size_t count = 0;
    enum err err = secret_parse(hook->secret, &secrets[count++], reterr);

    if (err == OK && hook->old_secret.ptr != NULL && hook->old_secret_until.us > now.us) {
        until = hook->old_secret_until;
        err = secret_parse(hook->old_secret, &secrets[count++], reterr);
    }
    if (err == OK && signer_new(secrets, count, ret) != OK)
        err = error_set(reterr, ERR_NOMEM, "out of memory for a signer");
    for (size_t i = 0; i < count; i++)
        secret_wipe(&secrets[i]);
    if (err == OK)
        *ret_until = until;
    return err;
}

static void
append_field(struct buf *head, struct str name, struct str value)
{
    buf_append_str(head, name);
    buf_append_literal(head, ": ");
    buf_append_str(head, value);
    buf_append_literal(head, "\r\n");
}

enum err
request_head_start(const struct hook *hook, const struct url *url, const char *user_agent,
    struct buf *head)
{
    enum err err = OK;

    buf_append_literal(head, "POST ");
    buf_append_str(head, url->target);
    buf_append_literal(head, " HTTP/1.1\r\nHost: ");
    url_append_authority(url, head);
    buf_append_literal(head, "\r\n");
    append_field(head, STR("User-Agent"), str_from(user_agent));
    append_field(head, STR("Content-Type"), STR("application/json"));
    if (url->user_info.ptr != NULL) {
        buf_append_literal(head, "Authorization: ");
        err = url_append_basic(url, head);
        buf_append_literal(head, "\r\n");
    }
    for (size_t i = 0; i < hook->header_count; i++)
        append_field(head, hook->headers[i].name, hook->headers[i].value);
    append_field(head, STR("x-usher-event"), hook->event);
    return err == OK && buf_is_full(head) ? ERR_NOMEM : err;
}

void
request_body(const struct lane_member *member, enum phone_format phone_format, struct str snapshot,
    struct buf *body)
{
    const struct payload_attendee attendee = {
        .name = member->name,
        .email = member->email,
        .phone = member->phone,
        .has_offset = member->has_offset,
        .offset_minutes = member->offset_minutes,
    };

    if (member->is_nobody)
        buf_append_str(body, snapshot);
    else
        payload_render(body, &attendee, phone_format, snapshot);
}

enum err
request_head_end(const struct request_detail *detail, struct signer *signer, struct buf *head)
{
    enum err err;

    append_field(head, STR("x-usher-reason"), str_from(event_reason_name(detail->reason)));
    buf_append_literal(head, "x-usher-sequence: ");
    buf_append_int(head, detail->sequence);
    buf_append_literal(head, "\r\nx-usher-attempt: ");
    buf_append_int(head, detail->attempt);
    buf_append_literal(head, "\r\nwebhook-id: ");
    buf_append_str(head, detail->id);
    buf_append_literal(head, "\r\nwebhook-timestamp: ");
    buf_append_int(head, detail->timestamp_s);
    buf_append_literal(head, "\r\nwebhook-signature: ");
    err = signer_sign(signer, detail->id, detail->timestamp_s, detail->body, head);
    buf_append_literal(head, "\r\nContent-Length: ");
    buf_append_int(head, (int64_t)detail->body.len);
    buf_append_literal(head, "\r\n\r\n");
    return err == OK && buf_is_full(head) ? ERR_NOMEM : err;
}
