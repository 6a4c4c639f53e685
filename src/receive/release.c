/* SPDX-License-Identifier: Apache-2.0 */
#include "receive/release.h"

#include <string.h>

#include "receive/arrive.h"
#include "receive/peer.h"
#include "store/quarantine.h"

/* A step holds the writer while it runs: so many calls, or so many bytes of them. */
#define STEP_CALLS_MAX 50
#define STEP_BYTES_MAX (1024 * 1024)

/* One call, its JSON tree and what is read from it. */
#define CALL_ARENA_BYTES_MAX ((size_t)128 * 1024 * 1024)

struct release {
    struct engine *engine;
    struct setup *setup;
    struct arena arena; /* of the call that is judged */
    /* The keys of the last source: calls of one source mostly follow one another. */
    const struct source *source;
    struct source_judge *judge; /* owned */
    size_t bytes;               /* of the calls judged */
};

static void
release_done(struct release *release)
{
    source_judge_free(release->judge);
    arena_done(&release->arena);
}

/* --- the call as it came ---------------------------------------------------------------------- */

/* Back from lines of "name: value". */
static size_t
fields_read(struct str lines, struct http_field fields[HTTP_FIELDS_MAX])
{
    size_t count = 0;
    struct str line;

    while (count < HTTP_FIELDS_MAX && str_split(&lines, '\n', &line)) {
        size_t colon = str_find(line, ':', 0);

        if (colon == SIZE_MAX)
            continue;
        fields[count].name = str_slice(line, 0, colon);
        fields[count].value = str_trim(str_slice(line, colon + 1, line.len));
        count++;
    }
    return count;
}

/* Also the proxies may have been what was wrong: who called is found out again. */
static struct address
peer_of(const struct setup *setup, const struct quarantined *kept, const struct http_head *head)
{
    struct address connected;

    if (address_parse(kept->peer, &connected, NULL) != OK)
        return (struct address){.as.v4.sin_family = AF_INET, .len = sizeof(struct sockaddr_in)};
    return peer_find(head, &connected, setup->proxies, setup->proxy_count);
}

/* --- judging ---------------------------------------------------------------------------------- */

static enum err
judge_for(struct release *release, const struct source *source, struct error *reterr)
{
    enum err err;

    if (release->judge != NULL && release->source == source)
        return OK;
    source_judge_free(release->judge);
    release->judge = NULL;
    err = source_judge_new(source, &release->judge, reterr);
    release->source = source;
    return err;
}

static enum err
take_in(struct release *release, const struct quarantined *kept, struct inbox_arrival *arrival,
    struct release_tally *tally, struct error *reterr)
{
    struct inbox_arrival *const arrivals[] = {arrival};
    enum err err;

    arrival->flags |= ITEM_RELEASED;
    err = inbox_take(release->engine, arrivals, 1, reterr);
    if (err == OK)
        err = quarantine_delete(release->engine, kept->quarantine_pk, reterr);
    if (err != OK)
        return err;
    if (arrival->arrival == ARRIVAL_DUPLICATE)
        tally->duplicates++;
    else
        tally->released++;
    return OK;
}

static enum err
release_call(struct release *release, const struct quarantined *kept, struct release_tally *tally,
    struct error *reterr)
{
    const struct setup *setup = release->setup;
    const struct source *source = setup_find_source(setup, kept->source);
    struct http_field fields[HTTP_FIELDS_MAX];
    struct http_head head = {
        .method = STR("POST"),
        .fields = fields,
        .field_count = fields_read(kept->headers, fields),
        .body_bytes = (int64_t)kept->body.len,
        .minor = 1,
    };
    struct source_call call = {
        .head = &head,
        .token = kept->token,
        .body = kept->body,
        .peer = peer_of(setup, kept, &head),
        .now = kept->received,
    };
    struct inbox_arrival arrival;
    enum err err;

    if (source == NULL || (int64_t)kept->body.len > source->body_bytes_max) {
        tally->still_refused++;
        return OK;
    }
    err = judge_for(release, source, reterr);
    if (err != OK)
        return err;
    err = source_judge(release->judge, &call, reterr);
    if (err == OK)
        err = arrive(source, setup->source_pks[source - setup->sources], &call, &release->arena,
            &arrival, reterr);
    if (err == OK)
        return take_in(release, kept, &arrival, tally, reterr);
    if (err != ERR_DENIED && err != ERR_INVALID)
        return err;
    tally->still_refused++;
    return OK;
}

/* --- steps ------------------------------------------------------------------------------------ */

static enum err
release_only(struct release *release, int64_t pk, struct release_tally *tally, struct error *reterr)
{
    struct quarantined kept;
    enum err err = quarantine_get(release->engine, pk, &release->arena, &kept, reterr);

    return err == OK ? release_call(release, &kept, tally, reterr) : err;
}

/* The next call after *inout; ERR_NOT_FOUND when there is none. */
static enum err
release_next(struct release *release, struct str source, int64_t *inout,
    struct release_tally *tally, struct error *reterr)
{
    struct quarantined kept;
    enum err err;

    arena_reset(&release->arena);
    err = quarantine_next(release->engine, source, *inout, &release->arena, &kept, reterr);
    if (err == OK)
        err = release_call(release, &kept, tally, reterr);
    if (err != OK)
        return err;
    release->bytes += kept.body.len + kept.headers.len;
    *inout = kept.quarantine_pk;
    return OK;
}

enum err
release_step(struct engine *engine, struct setup *setup, const struct release_choice *choice,
    int64_t *inout, struct release_tally *inout_tally, struct error *reterr)
{
    CLEANUP(release_done) struct release release = {.engine = engine, .setup = setup};
    struct release_tally tally = *inout_tally;
    int64_t after_pk = *inout;
    bool is_one = choice->only_pk != 0;
    enum err err = OK;

    arena_init(&release.arena, CALL_ARENA_BYTES_MAX);
    if (is_one) {
        err = release_only(&release, choice->only_pk, &tally, reterr);
        after_pk = INT64_MAX;
    }
    for (unsigned i = 0; !is_one && err == OK && i < STEP_CALLS_MAX; i++) {
        if (release.bytes > STEP_BYTES_MAX)
            break;
        err = release_next(&release, choice->source, &after_pk, &tally, reterr);
    }
    if (err == ERR_NOT_FOUND && !is_one) {
        after_pk = INT64_MAX;
        err = OK;
    }
    if (err != OK)
        return err;
    *inout = after_pk;
    *inout_tally = tally;
    return OK;
}
