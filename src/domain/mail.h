/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A mail as the bytes that go over the wire: RFC 5322 head, MIME body, lines that end in CRLF and
 * are short, and nothing but ASCII in them.
 *
 * A text and, as invitations, any number of calendars. Whatever the texts hold, no header begins in
 * them: control characters of a header's value become spaces, and what is not plain ASCII goes as
 * encoded words (RFC 2047). Pure.
 */
#ifndef DOMAIN_MAIL_H
#define DOMAIN_MAIL_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/moment.h"

#define MAIL_BYTES_MAX (8 * 1024 * 1024)

struct mail_address {
    struct str name; /* empty: none */
    struct str email;
};

/* Can it stand in an envelope as it is? name@host in ASCII, without quotes, comments or routes;
 * what else RFC 5321 allows nobody has. */
bool mail_email_is_sane(struct str email);
/* "ann@example.com" or "Ann Smith <ann@example.com>", the name in quotes or not. Borrowed from the
 * text. ERR_INVALID. */
MUST_CHECK enum err mail_address_parse(struct str text, struct mail_address *ret,
    struct error *reterr);

struct mail {
    struct mail_address from; /* all emails are sane */
    struct mail_address to;
    struct mail_address reply_to; /* no email: left out */
    struct str subject;
    struct walltime date;
    struct str id;             /* of the mail, the part before the @; ASCII without spaces */
    struct str text;           /* UTF-8; lines end in LF or CRLF */
    const struct str *invites; /* calendars */
    size_t invite_count;
};

/* Append; a full buffer shows there. */
void mail_format(const struct mail *mail, struct buf *buf);

#endif
