/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The settings of a handler that writes mails: read line by line, whole once they were checked.
 *
 * Files that they name are read with them, so that a mistake in a template shows when the
 * configuration is read. All texts are the arena's and end in a NUL.
 */
#ifndef RECEIVE_MAIL_OPTIONS_H
#define RECEIVE_MAIL_OPTIONS_H

#include "domain/mail.h"
#include "domain/template.h"
#include "receive/handler.h"

enum mail_tls {
    MAIL_TLS_BY_HOST, /* always, but to this machine itself */
    MAIL_TLS_REQUIRED,
    MAIL_TLS_NONE,
};

struct mail_options {
    struct str smtp;
    bool is_smtps;
    bool is_local; /* the server is on this machine */
    enum mail_tls tls;
    struct str user;
    struct str password;
    struct str ca_file;
    struct mail_address from;
    struct mail_address reply_to;
    struct template *subject;
    struct template *text;
    bool has_no_calendar;
};

#define MAIL_SETTINGS 11
extern const struct source_setting mail_settings[MAIL_SETTINGS];

/* As struct handler_kind wants them. */
MUST_CHECK enum err mail_options_set(struct handler *handler, struct arena *arena, struct str name,
    struct str value, struct error *reterr);
MUST_CHECK enum err mail_options_check(const struct handler *handler, struct error *reterr);

/* From the first byte, or before anything is said that others must not hear. */
bool mail_needs_tls(const struct mail_options *options);

#endif
