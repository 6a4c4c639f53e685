/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kind of handler that writes a mail to each attendee, with an invitation for the calendar.
 *
 * libcurl speaks SMTP, blocking, in threads of the handler's own: as many as it may have under way,
 * each with a connection that is kept. What is the server's fault waits until the server is there
 * again; what is the recipient's is refused and told.
 */
#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/check.h"
#include "base/limits.h"
#include "domain/calendar.h"
#include "receive/handling_value.h"
#include "receive/mail_options.h"
#include "receive/worker.h"

#define TEXT_BYTES_MAX (1024 * 1024)

/* A series longer than this is not put into a calendar by mail; the text names all of it. */
#define INVITES_MAX 100

/* How long a kept connection may lie unused; servers close theirs after some minutes. */
#define CONNECTION_AGE_MAX_S 60L

struct handler_worker {
    const struct mail_options *options;
    struct str handler;
    long timeout_ms;
    struct worker *worker; /* owned */
    CURL **curls;          /* owned, one for each thread */
    unsigned count;
};

/* --- the mail --------------------------------------------------------------------------------- */

/* What is made for one handling. */
struct draft {
    const struct mail_options *options;
    struct handling *handling;
    struct walltime now;
    struct str id;
    struct str email;
    struct buf subject;
    struct buf text;
    struct buf bytes; /* of the whole mail */
    struct buf invites[INVITES_MAX];
    size_t invite_count;
};

static void
draft_init(struct draft *draft)
{
    buf_init(&draft->subject, TEXT_BYTES_MAX);
    buf_init(&draft->text, TEXT_BYTES_MAX);
    buf_init(&draft->bytes, MAIL_BYTES_MAX);
}

static void
draft_free(struct draft *draft)
{
    if (draft == NULL)
        return;
    for (size_t i = 0; i < draft->invite_count; i++)
        buf_done(&draft->invites[i]);
    buf_done(&draft->subject);
    buf_done(&draft->text);
    buf_done(&draft->bytes);
    free(draft);
}

static void
draft_freep(struct draft **draft)
{
    draft_free(*draft);
}

static bool
value_append(void *arg, struct str name, size_t session, struct buf *buf)
{
    const struct handling *handling = arg;

    return handling_value(handling, name, session, buf);
}

static void
render(const struct template *template, struct handling *handling, struct buf *buf)
{
    const struct template_values values = {
        .append = value_append,
        .arg = handling,
        .session_count = handling->received->session_count,
    };

    template_render(template, &values, buf);
}

/* How many sessions before this one have its id. */
static size_t
occurrence_of(const struct received *received, size_t index)
{
    size_t count = 0;

    for (size_t i = 0; i < index; i++)
        if (str_equals(received->sessions[i].webinar_id, received->sessions[index].webinar_id))
            count++;
    return count;
}

static enum err
uid_make(const struct handling *handling, size_t index, char ret_uid[CALENDAR_UID_BYTES])
{
    CLEANUP(buf_done) struct buf person;

    buf_init(&person, TEXT_BYTES_MAX);
    (void)handling_value(handling, STR("person"), index, &person);
    if (buf_is_full(&person))
        return ERR_NOMEM;
    return calendar_uid(handling->received->sessions[index].webinar_id,
        occurrence_of(handling->received, index), buf_str(&person), ret_uid);
}

static enum err
invite_add(struct draft *draft, size_t index)
{
    const struct handling *handling = draft->handling;
    const struct received_session *session = &handling->received->sessions[index];
    struct buf *buf = &draft->invites[draft->invite_count];
    char uid[CALENDAR_UID_BYTES];
    enum err err = uid_make(handling, index, uid);
    const struct calendar calendar = {
        .uid = uid,
        .sequence = handling->revision,
        .stamp = draft->now,
        .from = session->from,
        .to = session->to,
        .summary = session->webinar,
        .description = buf_str(&draft->text),
        .link = session->link,
        .organizer_name = draft->options->from.name,
        .organizer_email = draft->options->from.email,
        .attendee_name = handling->received->name,
        .attendee_email = draft->email,
    };

    if (err != OK)
        return err;
    buf_init(buf, MAIL_BYTES_MAX);
    draft->invite_count++;
    calendar_format(&calendar, buf);
    return buf_is_full(buf) ? ERR_LIMIT : OK;
}

/* For what says when a session begins and ends. A reminder does not, and would shorten it. */
static enum err
invites_add(struct draft *draft)
{
    const struct received *received = draft->handling->received;
    enum err err = OK;

    if (draft->options->has_no_calendar || received->shape != RECEIVED_CALL_LIST)
        return OK;
    for (size_t i = 0;
         err == OK && i < received->session_count && draft->invite_count < INVITES_MAX; i++) {
        const struct received_session *session = &received->sessions[i];

        if (session->has_from && session->has_to && session->from.us < session->to.us &&
            session->webinar_id.len > 0)
            err = invite_add(draft, i);
    }
    return err;
}

/* A title may be as long as a book. In a header its beginning will do. */
static struct str
shortened(struct str text, size_t max)
{
    text = str_trim(text);
    if (text.len <= max)
        return text;
    while (max > 0 && ((unsigned char)text.ptr[max] & 0xC0U) == 0x80)
        max--;
    return str_slice(text, 0, max);
}

static enum err
draft_write(struct draft *draft)
{
    struct str invites[INVITES_MAX];
    struct mail mail = {
        .from = draft->options->from,
        .reply_to = draft->options->reply_to,
        .to = {.name = shortened(draft->handling->received->name, NAME_BYTES_MAX),
            .email = draft->email},
        .date = draft->now,
        .id = draft->id,
        .invites = invites,
    };
    enum err err;

    render(draft->options->subject, draft->handling, &draft->subject);
    render(draft->options->text, draft->handling, &draft->text);
    err = invites_add(draft);
    if (err != OK)
        return err;
    for (size_t i = 0; i < draft->invite_count; i++)
        invites[i] = buf_str(&draft->invites[i]);
    mail.invite_count = draft->invite_count;
    mail.subject = shortened(buf_str(&draft->subject), TITLE_BYTES_MAX);
    mail.text = buf_str(&draft->text);
    mail_format(&mail, &draft->bytes);
    return buf_is_full(&draft->text) || buf_is_full(&draft->bytes) ? ERR_LIMIT : OK;
}

/* --- the server ------------------------------------------------------------------------------- */

/* The last command that was given, and what it was answered. */
enum stage {
    STAGE_CONNECT, /* greeting, EHLO, STARTTLS, AUTH, MAIL: nothing of the mail itself yet */
    STAGE_RECIPIENT,
    STAGE_CONTENT,
};

struct exchange {
    struct work *work;
    struct str unsent;
    enum stage stage;
    bool is_over; /* it takes its leave: what is said now is not about the mail */
    bool goes_on; /* of the reply there is more to come */
    char reply[WORK_OUTPUT_BYTES_MAX];
    size_t reply_len;
};

static size_t
on_read(char *bytes, size_t size, size_t count, void *arg)
{
    struct exchange *exchange = arg;
    size_t len = size * count < exchange->unsent.len ? size * count : exchange->unsent.len;

    memcpy(bytes, exchange->unsent.ptr, len);
    exchange->unsent = str_slice(exchange->unsent, len, exchange->unsent.len);
    return len;
}

static int
on_progress(void *arg, curl_off_t down_all, curl_off_t down, curl_off_t up_all, curl_off_t up)
{
    const struct exchange *exchange = arg;

    (void)down_all;
    (void)down;
    (void)up_all;
    (void)up;
    return exchange->work->is_cancelled ? 1 : 0;
}

/* Each line of a reply after the first, "550-…" and "550 …", goes on the one before. */
static void
hear(struct exchange *exchange, struct str line)
{
    bool is_last = line.len < 4 || line.ptr[3] != '-';
    size_t len;

    if (!exchange->goes_on)
        exchange->reply_len = 0;
    else if (line.len > 4 && exchange->reply_len < sizeof(exchange->reply)) {
        exchange->reply[exchange->reply_len++] = ' ';
        line = str_slice(line, 4, line.len);
    }
    exchange->goes_on = !is_last;
    len = sizeof(exchange->reply) - exchange->reply_len;
    if (len > line.len)
        len = line.len;
    if (len > 0)
        memcpy(exchange->reply + exchange->reply_len, line.ptr, len);
    exchange->reply_len += len;
}

/* What goes over the wire. Of commands only their first word is looked at: others hold secrets. */
static int
on_wire(CURL *curl, curl_infotype type, const char *bytes, size_t len, void *arg)
{
    struct exchange *exchange = arg;
    struct str line = {bytes, len};

    (void)curl;
    if (type == CURLINFO_HEADER_OUT) {
        if (str_starts(line, STR("RCPT ")))
            exchange->stage = STAGE_RECIPIENT;
        else if (str_starts(line, STR("DATA")))
            exchange->stage = STAGE_CONTENT;
        else if (str_starts(line, STR("QUIT")))
            exchange->is_over = true;
    } else if (type == CURLINFO_HEADER_IN && !exchange->is_over) {
        hear(exchange, str_trim(line));
    }
    return 0;
}

/* Of a reply "550 no such user" the first digit; 0: it is none. */
static int
reply_class(struct str reply)
{
    for (size_t i = 0; i < 3; i++)
        if (i >= reply.len || reply.ptr[i] < '0' || reply.ptr[i] > '9')
            return 0;
    return reply.ptr[0] - '0';
}

/* What the recipient's side will never take is refused. What it does not take now counts as an
 * attempt. What is wrong before it comes to a recipient is no fault of the item. */
static enum handling_result
judge_reply(enum stage stage, struct str reply)
{
    int class = reply_class(reply);

    if (class == 4)
        return stage == STAGE_CONNECT || str_starts(reply, STR("421")) ? HANDLING_LATER
                                                                       : HANDLING_FAILED;
    return class == 5 && stage == STAGE_RECIPIENT ? HANDLING_REFUSED : HANDLING_FAILED;
}

static void
judge(struct work *work, const struct exchange *exchange, CURLcode code, const char *text)
{
    struct str reply = {exchange->reply, exchange->reply_len};

    /* It comes from a stranger and goes into JSON. */
    if (!str_is_utf8(reply))
        reply = STR("(a reply that is no text)");
    work_output(work, reply);
    if (code == CURLE_OK)
        return;
    if (code == CURLE_ABORTED_BY_CALLBACK) {
        work_end(work, HANDLING_FAILED, "its time was over");
        return;
    }
    if (reply_class(reply) >= 4) {
        work_end(work, judge_reply(exchange->stage, reply), "the mail server says: %.*s",
            STR_FMT(reply));
        return;
    }
    /* As long as the mail was not on its way, it is the way that is closed. */
    work_end(work, exchange->stage == STAGE_CONNECT ? HANDLING_LATER : HANDLING_FAILED,
        "no mail could be handed over: %s", text[0] != '\0' ? text : curl_easy_strerror(code));
}

static CURLcode
options_apply(CURL *curl, const struct handler_worker *self, struct exchange *exchange)
{
    const struct mail_options *options = self->options;
    CURLcode codes[] = {
        curl_easy_setopt(curl, CURLOPT_URL, options->smtp.ptr),
        curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "smtp,smtps"),
        /* Nothing from the environment. */
        curl_easy_setopt(curl, CURLOPT_PROXY, ""),
        /* Signals would be the whole program's. */
        curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L),
        curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, self->timeout_ms),
        curl_easy_setopt(curl, CURLOPT_SERVER_RESPONSE_TIMEOUT, (self->timeout_ms + 999) / 1000),
        curl_easy_setopt(curl, CURLOPT_MAXAGE_CONN, CONNECTION_AGE_MAX_S),
        curl_easy_setopt(curl, CURLOPT_MAXCONNECTS, 1L),
        curl_easy_setopt(curl, CURLOPT_USE_SSL,
            (long)(mail_needs_tls(options) ? CURLUSESSL_ALL : CURLUSESSL_NONE)),
        options->ca_file.ptr != NULL ? curl_easy_setopt(curl, CURLOPT_CAINFO, options->ca_file.ptr)
                                     : CURLE_OK,
        options->user.ptr != NULL ? curl_easy_setopt(curl, CURLOPT_USERNAME, options->user.ptr)
                                  : CURLE_OK,
        options->user.ptr != NULL ? curl_easy_setopt(curl, CURLOPT_PASSWORD, options->password.ptr)
                                  : CURLE_OK,
        curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L),
        curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)exchange->unsent.len),
        curl_easy_setopt(curl, CURLOPT_READFUNCTION, on_read),
        curl_easy_setopt(curl, CURLOPT_READDATA, exchange),
        curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L),
        curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress),
        curl_easy_setopt(curl, CURLOPT_XFERINFODATA, exchange),
        curl_easy_setopt(curl, CURLOPT_VERBOSE, 1L),
        curl_easy_setopt(curl, CURLOPT_DEBUGFUNCTION, on_wire),
        curl_easy_setopt(curl, CURLOPT_DEBUGDATA, exchange),
    };

    for (size_t i = 0; i < COUNT_OF(codes); i++)
        if (codes[i] != CURLE_OK)
            return codes[i];
    return CURLE_OK;
}

static void
mail_send(struct handler_worker *self, CURL *curl, struct work *work, const struct draft *draft)
{
    struct exchange exchange = {.work = work, .unsent = buf_str(&draft->bytes)};
    char text[CURL_ERROR_SIZE] = "";
    char from[EMAIL_BYTES_MAX + 3];
    char to[EMAIL_BYTES_MAX + 3];
    struct curl_slist *recipients;
    CURLcode code;

    (void)snprintf(from, sizeof(from), "<%.*s>", STR_FMT(self->options->from.email));
    (void)snprintf(to, sizeof(to), "<%.*s>", STR_FMT(draft->email));
    recipients = curl_slist_append(NULL, to);
    code = recipients != NULL ? options_apply(curl, self, &exchange) : CURLE_OUT_OF_MEMORY;
    if (code == CURLE_OK)
        code = curl_easy_setopt(curl, CURLOPT_MAIL_FROM, from);
    if (code == CURLE_OK)
        code = curl_easy_setopt(curl, CURLOPT_MAIL_RCPT, recipients);
    if (code == CURLE_OK)
        code = curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, text);
    if (code == CURLE_OK)
        code = curl_easy_perform(curl);
    judge(work, &exchange, code, text);
    /* Keeps its connection, and forgets what is on our stack. */
    curl_easy_reset(curl);
    curl_slist_free_all(recipients);
}

/* --- handlings -------------------------------------------------------------------------------- */

/* Stands in a header, in angle brackets. */
static void
append_id(struct buf *buf, struct str item, struct str handler)
{
    buf_printf(buf, "%.*s.", STR_FMT(item));
    for (size_t i = 0; i < handler.len; i++) {
        char c = handler.ptr[i];
        bool is_fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_';

        buf_append_char(buf, is_fine ? c : '-');
    }
}

static void
mail_run(void *arg, unsigned thread, struct work *const works[], size_t count)
{
    struct handler_worker *self = arg;
    struct work *work = works[0];
    CLEANUP(draft_freep) struct draft *draft = calloc(1, sizeof(*draft));
    CLEANUP(buf_done) struct buf id;
    enum err err;

    CHECK(count == 1 && thread < self->count);
    buf_init(&id, HANDLER_NAME_BYTES_MAX + 2 * ITEM_ID_BYTES);
    if (draft == NULL) {
        work_end(work, HANDLING_LATER, "out of memory");
        return;
    }
    draft_init(draft);
    draft->options = self->options;
    draft->handling = work->handling;
    draft->now = work->now;
    draft->email = str_trim(work->handling->received->email);
    append_id(&id, work->handling->id, self->handler);
    draft->id = buf_str(&id);
    if (draft->email.len == 0) {
        work_end(work, HANDLING_REFUSED, "the attendee has no e-mail address");
        return;
    }
    if (!mail_email_is_sane(draft->email)) {
        work_end(work, HANDLING_REFUSED, "no mail can be sent to \"%.*s\"", STR_FMT(draft->email));
        return;
    }
    err = draft_write(draft);
    if (err == ERR_LIMIT)
        work_end(work, HANDLING_REFUSED, "the mail would be too large");
    else if (err != OK)
        work_end(work, HANDLING_LATER, "out of memory");
    else
        mail_send(self, self->curls[thread], work, draft);
}

static void
mail_start(struct handler_worker *self, struct handling *handling)
{
    worker_start(self->worker, handling);
}

static void
mail_cancel(struct handler_worker *self, struct handling *handling)
{
    worker_cancel(self->worker, handling);
}

/* libcurl takes its leave of the server, and would wait for the answer, here on the loop. */
static void
curl_close(CURL *curl)
{
    curl_socket_t fd = CURL_SOCKET_BAD;

    if (curl == NULL)
        return;
    if (curl_easy_getinfo(curl, CURLINFO_ACTIVESOCKET, &fd) == CURLE_OK && fd != CURL_SOCKET_BAD)
        (void)shutdown(fd, SHUT_RDWR);
    curl_easy_cleanup(curl);
}

static void
mail_close(struct handler_worker *self)
{
    if (self == NULL)
        return;
    worker_close(self->worker);
    for (unsigned i = 0; self->curls != NULL && i < self->count; i++)
        curl_close(self->curls[i]);
    free(self->curls);
    free(self);
}

static void
curl_start(void)
{
    CHECK(curl_global_init(CURL_GLOBAL_ALL) == CURLE_OK);
}

static enum err
no_memory(struct error *reterr)
{
    return error_set(reterr, ERR_NOMEM, "out of memory for a handler");
}

static enum err
curls_make(struct handler_worker *self, struct error *reterr)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    CHECK(pthread_once(&once, curl_start) == 0);
    self->curls = calloc(self->count, sizeof(CURL *));
    for (unsigned i = 0; self->curls != NULL && i < self->count; i++) {
        self->curls[i] = curl_easy_init();
        if (self->curls[i] == NULL)
            return no_memory(reterr);
    }
    return self->curls != NULL ? OK : no_memory(reterr);
}

static enum err
mail_open(const struct handler *handler, const struct handler_place *place,
    struct handler_worker **ret, struct error *reterr)
{
    struct handler_worker *self = calloc(1, sizeof(*self));
    const struct worker_options options = {
        .loop = place->loop,
        .clock = place->clock,
        .thread_name = "handler-mail",
        .threads = handler->concurrency,
        .room = handler->concurrency,
        .batch_max = 1,
        .run = mail_run,
        .arg = self,
    };
    enum err err;

    if (self == NULL)
        return no_memory(reterr);
    self->options = handler->options;
    self->handler = handler->name;
    self->timeout_ms = (long)handler->timeout_ms;
    self->count = handler->concurrency;
    err = curls_make(self, reterr);
    if (err == OK)
        err = worker_open(&options, &self->worker, reterr);
    if (err != OK) {
        mail_close(self);
        return err;
    }
    *ret = self;
    return OK;
}

const struct handler_kind handler_mail = {
    .name = "mail",
    .set = mail_options_set,
    .check = mail_options_check,
    .open = mail_open,
    .start = mail_start,
    .cancel = mail_cancel,
    .close = mail_close,
    .settings = mail_settings,
    .setting_count = MAIL_SETTINGS,
};
