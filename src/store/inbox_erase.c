/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/check.h"
#include "base/json.h"
#include "base/limits.h"
#include "domain/attendee.h"
#include "store/inbox_inside.h"
#include "store/quarantine.h"

/* A step looks at so many items, and no further once it has read so much of bodies: some ms. */
#define ERASE_LOOKS_MAX 500
#define ERASE_BYTES_MAX (4 * 1024 * 1024)
#define PURGE_LOOKS_MAX 500

/* What a tree takes, as a multiple of its body; what was taken in is read again here. */
#define TREE_BODIES_MAX 128

/* Items that a step has found, to be taken away once it has looked at all. */
struct victims {
    int64_t pks[ERASE_LOOKS_MAX];
    size_t count;
};

_Static_assert(PURGE_LOOKS_MAX <= ERASE_LOOKS_MAX, "victims hold what a step looks at");

/* --- items and all that hangs on them --------------------------------------------------------- */

/* Row by row: as one statement it would look at all that is known of a source. */
static enum err
latest_delete(struct engine *engine, int64_t after_pk, int64_t last_pk, struct walltime before,
    struct error *reterr)
{
    CLEANUP(rows_done) struct rows rows;
    enum err err = OK;

    engine_select(engine, &rows,
        "SELECT source_pk, event, object, person, inbox_pk FROM inbox"
        " WHERE inbox_pk > ?1 AND inbox_pk <= ?2 AND received_us < ?3",
        v_int(after_pk), v_int(last_pk), v_time(before));
    while (err == OK && rows_next(&rows))
        err = engine_run(engine, reterr,
            "DELETE FROM inbox_latest WHERE source_pk = ?1 AND event = ?2 AND object = ?3"
            " AND person = ?4 AND inbox_pk = ?5",
            v_int(rows_int(&rows, 0)), v_text(rows_str(&rows, 1)), v_text(rows_str(&rows, 2)),
            v_text(rows_str(&rows, 3)), v_int(rows_int(&rows, 4)));
    return err == OK ? rows_end(&rows, reterr) : err;
}

#define OLD_ITEMS                                                                                  \
    "(SELECT inbox_pk FROM inbox WHERE inbox_pk > ?1 AND inbox_pk <= ?2 AND received_us < ?3)"

static const char *const deletes[] = {
    "DELETE FROM handling WHERE inbox_pk IN " OLD_ITEMS,
    "DELETE FROM handling_log WHERE inbox_pk IN " OLD_ITEMS,
    "DELETE FROM inbox WHERE inbox_pk > ?1 AND inbox_pk <= ?2 AND received_us < ?3",
};

enum err
items_delete(struct engine *engine, int64_t after_pk, int64_t last_pk, struct walltime before,
    struct error *reterr)
{
    enum err err = latest_delete(engine, after_pk, last_pk, before, reterr);

    for (size_t i = 0; err == OK && i < COUNT_OF(deletes); i++)
        err =
            engine_run(engine, reterr, deletes[i], v_int(after_pk), v_int(last_pk), v_time(before));
    return err;
}

/* The newer version of what waits is what tells that it is overtaken: it stays as long. */
static enum err
is_needed(struct engine *engine, int64_t inbox_pk, bool *ret, struct error *reterr)
{
    int64_t count = 0;
    enum err err = engine_get_int(engine, &count, reterr,
        "SELECT count(*) FROM inbox i JOIN inbox p ON p.inbox_pk = i.previous_pk"
        " WHERE i.inbox_pk = ?1",
        v_int(inbox_pk));

    if (err == OK)
        *ret = count > 0;
    return err;
}

/* In order, so that no byte of them is left. spares: all but what is_needed. */
static enum err
victims_delete(struct engine *engine, const struct victims *victims, bool spares,
    int64_t *inout_count, struct error *reterr)
{
    struct error off_error;
    enum err err = OK;

    if (victims->count > 0)
        err = engine_secure_delete(engine, true, reterr);
    if (err != OK || victims->count == 0)
        return err;
    for (size_t i = 0; err == OK && i < victims->count; i++) {
        bool is_spared = false;

        if (spares)
            err = is_needed(engine, victims->pks[i], &is_spared, reterr);
        if (err != OK || is_spared)
            continue;
        err = items_delete(engine, victims->pks[i] - 1, victims->pks[i],
            (struct walltime){INT64_MAX}, reterr);
        ++*inout_count;
    }
    /* Left on it would only be slower. */
    (void)!engine_secure_delete(engine, false, &off_error);
    return err;
}

/* --- is an address in it? --------------------------------------------------------------------- */

static bool
is_letter_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (unsigned char)c >= 0x80;
}

/* Is what stands there the whole address, and no piece of somebody else's? */
static bool
stands_alone(struct str text, size_t from, size_t to)
{
    char before = from > 0 ? text.ptr[from - 1] : ' ';
    char after = to < text.len ? text.ptr[to] : ' ';

    if (is_letter_or_digit(before) || before == '.' || before == '_' || before == '-' ||
        before == '+')
        return false;
    if (after == '.') /* a full stop, or one more part of the domain? */
        return to + 1 == text.len || !is_letter_or_digit(text.ptr[to + 1]);
    return !is_letter_or_digit(after) && after != '-';
}

bool
text_holds_email(struct str text, struct str email)
{
    size_t at_sign = str_find(email, '@', 0);

    for (size_t at = str_find(text, '@', 0); at != SIZE_MAX; at = str_find(text, '@', at + 1)) {
        size_t from = at - at_sign;
        size_t to = from + email.len;

        if (at >= at_sign && to <= text.len &&
            str_equals_nocase(str_slice(text, from, to), email) && stands_alone(text, from, to))
            return true;
    }
    return false;
}

/* No deeper than json_parse takes it. */
static bool
json_holds(const struct json *json, struct str email)
{
    if (text_holds_email(json->name, email) ||
        (json->kind == JSON_STRING && text_holds_email(json->text, email)))
        return true;
    for (const struct json *child = json->first; child != NULL; child = child->next) {
        if (json_holds(child, email))
            return true;
    }
    return false;
}

bool
body_holds_email(struct str body, struct str email, struct arena *scratch)
{
    struct json *json = NULL;

    if (text_holds_email(body, email))
        return true;
    if (str_find(body, '\\', 0) == SIZE_MAX)
        return false;
    /* Escaped: "\u0040", or a line's end in front that reads as a letter. */
    arena_reset(scratch);
    scratch->max = TREE_BODIES_MAX * body.len + REQUEST_ARENA_BYTES_MAX;
    return json_parse(body, scratch, &json, NULL) == OK && json_holds(json, email);
}

/* --- erasing ---------------------------------------------------------------------------------- */

struct erasure {
    struct engine *engine;
    char key[2 + EMAIL_BYTES_MAX];
    struct str person;
    struct str email; /* as it is compared */
    struct arena scratch;
    struct error *reterr;
};

static bool
is_theirs(struct erasure *erasure, struct rows *rows)
{
    return str_equals(rows_str(rows, 1), erasure->person) ||
           text_holds_email(rows_str(rows, 2), erasure->email) ||
           body_holds_email(rows_str(rows, 3), erasure->email, &erasure->scratch);
}

/* *ret_last: what was looked at; INT64_MAX: all. */
static enum err
items_find(struct erasure *erasure, int64_t after_pk, struct victims *victims, int64_t *ret_last)
{
    CLEANUP(rows_done) struct rows rows;
    int64_t last = after_pk;
    size_t looked = 0;
    size_t bytes = 0;
    enum err err;

    engine_select(erasure->engine, &rows,
        "SELECT inbox_pk, person, headers, body FROM inbox WHERE inbox_pk > ?1 ORDER BY inbox_pk"
        " LIMIT ?2",
        v_int(after_pk), v_int(ERASE_LOOKS_MAX));
    while (bytes < ERASE_BYTES_MAX && rows_next(&rows)) {
        looked++;
        last = rows_int(&rows, 0);
        bytes += rows_str(&rows, 3).len;
        if (is_theirs(erasure, &rows))
            victims->pks[victims->count++] = last;
    }
    err = rows_end(&rows, erasure->reterr);
    if (err == OK)
        *ret_last = looked < ERASE_LOOKS_MAX && bytes < ERASE_BYTES_MAX ? INT64_MAX : last;
    return err;
}

/* Below zero, *inout is minus one minus the refused call that was looked at last. */
static enum err
erase_step(struct erasure *erasure, int64_t *inout, int64_t *ret_erased)
{
    struct victims victims = {.count = 0};
    int64_t last = 0;
    int64_t erased = 0;
    enum err err;

    if (*inout < 0) {
        last = -1 - *inout;
        err =
            quarantine_erase_step(erasure->engine, erasure->email, &last, &erased, erasure->reterr);
        last = last == INT64_MAX ? INT64_MAX : -1 - last;
    } else {
        err = items_find(erasure, *inout, &victims, &last);
        if (err == OK)
            err = victims_delete(erasure->engine, &victims, false, &erased, erasure->reterr);
        last = last == INT64_MAX ? -1 : last;
    }
    if (err == OK) {
        *inout = last;
        *ret_erased += erased;
    }
    return err;
}

enum err
inbox_erase_step(struct engine *engine, struct str email, int64_t *inout, int64_t *ret_erased,
    struct error *reterr)
{
    struct erasure erasure = {.engine = engine, .key = "e:", .reterr = reterr};
    struct str address = str_trim(email);
    enum err err;

    if (address.len > EMAIL_BYTES_MAX || str_find(address, '@', 0) == SIZE_MAX)
        return error_set(reterr, ERR_INVALID, "that is no e-mail address");
    if (*inout == INT64_MAX)
        return OK;
    erasure.email = email_key(address, erasure.key + 2);
    erasure.person = (struct str){erasure.key, 2 + erasure.email.len};
    arena_init(&erasure.scratch, REQUEST_ARENA_BYTES_MAX);
    err = erase_step(&erasure, inout, ret_erased);
    arena_done(&erasure.scratch);
    return err;
}

/* --- purging ---------------------------------------------------------------------------------- */

static enum err
purge_find(struct engine *engine, struct walltime before, bool also_waiting, int64_t *inout,
    struct victims *victims, struct error *reterr)
{
    CLEANUP(rows_done) struct rows rows;
    int64_t last = *inout;
    size_t looked = 0;
    enum err err;

    engine_select(engine, &rows,
        "SELECT i.inbox_pk, i.received_us, " ITEM_WAITS
        " FROM inbox i WHERE i.inbox_pk > ?1 ORDER BY i.inbox_pk LIMIT ?2",
        v_int(last), v_int(PURGE_LOOKS_MAX));
    while (rows_next(&rows)) {
        looked++;
        last = rows_int(&rows, 0);
        if (rows_int(&rows, 1) < before.us && (also_waiting || rows_int(&rows, 2) == 0))
            victims->pks[victims->count++] = last;
    }
    err = rows_end(&rows, reterr);
    if (err == OK)
        *inout = looked < PURGE_LOOKS_MAX ? INT64_MAX : last;
    return err;
}

enum err
inbox_purge_step(struct engine *engine, struct walltime before, bool also_waiting, int64_t *inout,
    int64_t *ret_purged, struct error *reterr)
{
    struct victims victims = {.count = 0};
    int64_t last = *inout;
    int64_t purged = 0;
    enum err err;

    if (last == INT64_MAX)
        return OK;
    err = purge_find(engine, before, also_waiting, &last, &victims, reterr);
    if (err == OK)
        err = victims_delete(engine, &victims, !also_waiting, &purged, reterr);
    if (err == OK) {
        *inout = last;
        *ret_purged += purged;
    }
    return err;
}
