/* SPDX-License-Identifier: Apache-2.0 */
#include "receive/mail_options.h"

#include "base/digest.h"
#include "net/url.h"
#include "os/files.h"
#include "receive/handling_value.h"
#include "receive/worker.h"

#define PASSWORD_BYTES_MAX 1024

static const char subject_standard[] = "{{#updated}}Changed: {{/updated}}{{#webinar}}{{webinar}}"
                                       "{{/webinar}}{{^webinar}}{{event}}{{/webinar}}";

static const char text_standard[] = "Hello{{#name}} {{name}}{{/name}},\n"
                                    "\n"
                                    "{{#updated}}\n"
                                    "something has changed; this replaces what we wrote before.\n"
                                    "\n"
                                    "{{/updated}}\n"
                                    "{{#sessions}}\n"
                                    "{{#webinar}}\n"
                                    "{{webinar}}\n"
                                    "{{/webinar}}\n"
                                    "{{#starts}}\n"
                                    "Starts: {{starts}}\n"
                                    "{{/starts}}\n"
                                    "{{#ends}}\n"
                                    "Ends:   {{ends}}\n"
                                    "{{/ends}}\n"
                                    "{{#link}}\n"
                                    "Join:   {{link}}\n"
                                    "{{/link}}\n"
                                    "\n"
                                    "{{/sessions}}\n";

const struct source_setting mail_settings[MAIL_SETTINGS] = {
    {"smtp", "URL", "The mail server, such as smtp://mail.example.com:587 or smtps://…"},
    {"user", "NAME", "Who logs in there; nobody without it"},
    {"password", "TEXT", "With what"},
    {"password-file", "FILE", "The same from a file that only its owner may read"},
    {"tls", "required|no",
        "Whether smtp:// must turn to TLS; required without it, but to this machine itself"},
    {"ca-file", "FILE", "Certificates that vouch for the server, instead of the system's"},
    {"from", "ADDRESS", "Who writes, such as Ann Smith <ann@example.com>"},
    {"reply-to", "ADDRESS", "Where answers go"},
    {"subject", "TEXT", "May hold {{name}} and the like"},
    {"template", "FILE", "The text, in which {{name}} and the like stand; a short one without it"},
    {"calendar", "yes|no", "Whether an invitation for the calendar is in it; yes without it"},
};

static enum err
no_memory(struct error *reterr)
{
    return error_set(reterr, ERR_NOMEM, "out of memory for a handler");
}

static enum err
template_set(struct arena *arena, struct str text, struct template **ret, struct error *reterr)
{
    return template_parse(text, handling_value_is_known, arena, ret, reterr);
}

/* With the standard texts; NULL: out of memory. */
static struct mail_options *
options_get(struct handler *handler, struct arena *arena)
{
    struct mail_options *options = handler->options;

    if (options != NULL)
        return options;
    options = ARENA_NEW(arena, struct mail_options);
    if (options == NULL ||
        template_set(arena, str_from(subject_standard), &options->subject, NULL) != OK ||
        template_set(arena, str_from(text_standard), &options->text, NULL) != OK)
        return NULL;
    handler->options = options;
    return options;
}

/* One line, for there is none in what it is written to. */
static enum err
copy_set(struct arena *arena, struct str name, struct str value, struct str *ret,
    struct error *reterr)
{
    struct str copy = {NULL, 0};

    if (value.len == 0)
        return error_set(reterr, ERR_INVALID, "%.*s: nothing is said", STR_FMT(name));
    for (size_t i = 0; i < value.len; i++)
        if ((unsigned char)value.ptr[i] < 0x20 || value.ptr[i] == 0x7f)
            return error_set(reterr, ERR_INVALID, "%.*s: control characters cannot stand in it",
                STR_FMT(name));
    copy = arena_copy(arena, value);
    if (copy.ptr == NULL)
        return no_memory(reterr);
    *ret = copy;
    return OK;
}

/* Of host and port an http URL says the same. A value that is wrong is not repeated: it may hold a
 * password. */
static enum err
smtp_set(struct mail_options *options, struct arena *arena, struct str value, struct error *reterr)
{
    bool is_smtps = str_starts(value, STR("smtps://"));
    struct url url = {.port = 0};
    struct str http;

    if (!is_smtps && !str_starts(value, STR("smtp://")))
        return error_set(reterr, ERR_INVALID,
            "smtp: the address does not begin with smtp:// or smtps://");
    http = arena_printf(arena, "http%.*s", STR_FMT(str_slice(value, is_smtps ? 5 : 4, value.len)));
    if (http.ptr == NULL)
        return no_memory(reterr);
    if (url_parse(http, arena, &url, NULL) != OK || url.user_info.ptr != NULL ||
        !str_equals(url.target, STR("/")))
        return error_set(reterr, ERR_INVALID,
            "smtp: the address is not smtp://HOST or smtp://HOST:PORT, nor the same with smtps; "
            "user "
            "and password have settings of their own");
    options->is_smtps = is_smtps;
    options->is_local = str_equals(url.host, STR("localhost")) ||
                        (url.is_host_ipv4 && str_starts(url.host, STR("127."))) ||
                        (url.is_host_ipv6 && str_equals(url.host, STR("::1")));
    return copy_set(arena, STR("smtp"), value, &options->smtp, reterr);
}

static enum err
tls_set(struct mail_options *options, struct str value, struct error *reterr)
{
    bool is_required = str_equals(value, STR("required"));

    if (!is_required && !str_equals(value, STR("no")))
        return error_set(reterr, ERR_INVALID, "tls: \"%.*s\" is neither required nor no",
            STR_FMT(value));
    options->tls = is_required ? MAIL_TLS_REQUIRED : MAIL_TLS_NONE;
    return OK;
}

static enum err
calendar_set(struct mail_options *options, struct str value, struct error *reterr)
{
    bool is_no = str_equals(value, STR("no"));

    if (!is_no && !str_equals(value, STR("yes")))
        return error_set(reterr, ERR_INVALID, "calendar: \"%.*s\" is neither yes nor no",
            STR_FMT(value));
    options->has_no_calendar = is_no;
    return OK;
}

static enum err
address_set(struct arena *arena, struct str name, struct str value, struct mail_address *ret,
    struct error *reterr)
{
    struct str copy = {NULL, 0};
    struct error error;
    enum err err = copy_set(arena, name, value, &copy, reterr);

    if (err != OK)
        return err;
    err = mail_address_parse(copy, ret, &error);
    if (err != OK)
        return error_set(reterr, err, "%.*s: %s", STR_FMT(name), error.text);
    return OK;
}

/* Without the line end that editors leave there. */
static enum err
password_file_set(struct mail_options *options, struct arena *arena, struct str value,
    struct error *reterr)
{
    struct str path = arena_copy(arena, value);
    struct buf password;
    enum err err;

    if (path.ptr == NULL)
        return no_memory(reterr);
    buf_init(&password, PASSWORD_BYTES_MAX);
    err = file_read_secret(path.ptr, &password, reterr);
    if (err == OK) {
        struct str text = buf_str(&password);

        while (text.len > 0 && (text.ptr[text.len - 1] == '\n' || text.ptr[text.len - 1] == '\r'))
            text.len--;
        err = copy_set(arena, STR("password-file"), text, &options->password, reterr);
        wipe(password.ptr, password.len);
    }
    buf_done(&password);
    return err;
}

static enum err
template_file_set(struct mail_options *options, struct arena *arena, struct str value,
    struct error *reterr)
{
    struct str path = arena_copy(arena, value);
    struct str text = {NULL, 0};
    struct error error = {.code = OK};
    struct buf content;
    enum err err;

    if (path.ptr == NULL)
        return no_memory(reterr);
    buf_init(&content, TEMPLATE_BYTES_MAX);
    err = file_read(path.ptr, &content, &error);
    if (err == OK) {
        text = arena_copy(arena, buf_str(&content));
        err = text.ptr != NULL ? template_set(arena, text, &options->text, &error)
                               : no_memory(&error);
    }
    buf_done(&content);
    if (err != OK)
        return error_set(reterr, err, "template %s: %s", path.ptr, error.text);
    return OK;
}

static enum err
subject_set(struct mail_options *options, struct arena *arena, struct str value,
    struct error *reterr)
{
    struct str copy = {NULL, 0};
    struct error error;
    enum err err = copy_set(arena, STR("subject"), value, &copy, reterr);

    if (err != OK)
        return err;
    err = template_set(arena, copy, &options->subject, &error);
    if (err != OK)
        return error_set(reterr, err, "subject: %s", error.text);
    return OK;
}

enum err
mail_options_set(struct handler *handler, struct arena *arena, struct str name, struct str value,
    struct error *reterr)
{
    struct mail_options *options = options_get(handler, arena);

    if (options == NULL)
        return no_memory(reterr);
    if (str_equals(name, STR("smtp")))
        return smtp_set(options, arena, value, reterr);
    if (str_equals(name, STR("user")))
        return copy_set(arena, name, value, &options->user, reterr);
    if (str_equals(name, STR("password")))
        return copy_set(arena, name, value, &options->password, reterr);
    if (str_equals(name, STR("password-file")))
        return password_file_set(options, arena, value, reterr);
    if (str_equals(name, STR("tls")))
        return tls_set(options, value, reterr);
    if (str_equals(name, STR("ca-file")))
        return copy_set(arena, name, value, &options->ca_file, reterr);
    if (str_equals(name, STR("from")))
        return address_set(arena, name, value, &options->from, reterr);
    if (str_equals(name, STR("reply-to")))
        return address_set(arena, name, value, &options->reply_to, reterr);
    if (str_equals(name, STR("subject")))
        return subject_set(options, arena, value, reterr);
    if (str_equals(name, STR("template")))
        return template_file_set(options, arena, value, reterr);
    if (str_equals(name, STR("calendar")))
        return calendar_set(options, value, reterr);
    return ERR_NOT_FOUND;
}

bool
mail_needs_tls(const struct mail_options *options)
{
    return options->is_smtps || options->tls == MAIL_TLS_REQUIRED ||
           (options->tls == MAIL_TLS_BY_HOST &&
               (!options->is_local || options->ca_file.ptr != NULL));
}

static enum err
refuse(const struct handler *handler, const char *what, struct error *reterr)
{
    return error_set(reterr, ERR_INVALID, "handler %.*s: %s", STR_FMT(handler->name), what);
}

enum err
mail_options_check(const struct handler *handler, struct error *reterr)
{
    const struct mail_options *options = handler->options;

    if (options == NULL || options->smtp.ptr == NULL)
        return refuse(handler, "smtp is missing: which server takes the mail?", reterr);
    if (options->from.email.len == 0)
        return refuse(handler, "from is missing: who writes?", reterr);
    if (options->user.ptr != NULL && options->password.ptr == NULL)
        return refuse(handler, "there is a user, but neither password nor password-file", reterr);
    if (options->user.ptr == NULL && options->password.ptr != NULL)
        return refuse(handler, "there is a password, but no user", reterr);
    if (options->password.ptr != NULL && !mail_needs_tls(options) && !options->is_local)
        return refuse(handler, "with tls = no the password would cross the network for all to read",
            reterr);
    if (handler->concurrency > WORKER_THREADS_MAX)
        return error_set(reterr, ERR_INVALID,
            "handler %.*s: concurrency: at most %d mails at a time", STR_FMT(handler->name),
            WORKER_THREADS_MAX);
    return OK;
}
