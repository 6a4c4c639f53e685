/* SPDX-License-Identifier: Apache-2.0 */
#include "receive/judges.h"

#include <stdlib.h>

#include "base/check.h"

static void
judges_freep(struct judges **judges)
{
    judges_drop(*judges);
}

static enum err
sources_open(struct judges *judges, struct error *reterr)
{
    struct setup *setup = judges->setup;
    enum err err = source_judge_new(NULL, &judges->unknown.judge, reterr);

    judges->unknown.counts = counters_unknown_source();
    for (size_t i = 0; err == OK && i < setup->source_count; i++) {
        const struct source *source = &setup->sources[i];

        judges->sources[i].source = source;
        judges->sources[i].source_pk = setup->source_pks[i];
        judges->sources[i].counts = counters_source(source->name);
        err = source_judge_new(source, &judges->sources[i].judge, reterr);
        if (source->body_bytes_max > judges->body_bytes_max)
            judges->body_bytes_max = source->body_bytes_max;
    }
    return err;
}

enum err
judges_new(struct setup *setup, struct judges **ret, struct error *reterr)
{
    CLEANUP(judges_freep) struct judges *judges = calloc(1, sizeof(*judges));
    enum err err;

    if (judges == NULL)
        return error_set(reterr, ERR_NOMEM, "out of memory for the keys of the sources");
    judges->holds = 1;
    judges->setup = setup_hold(setup);
    judges->sources = calloc(setup->source_count + 1, sizeof(*judges->sources));
    if (judges->sources == NULL)
        return error_set(reterr, ERR_NOMEM, "out of memory for the keys of the sources");
    err = sources_open(judges, reterr);
    if (err == OK)
        *ret = TAKE(judges);
    return err;
}

struct judges *
judges_hold(struct judges *judges)
{
    judges->holds++;
    return judges;
}

void
judges_drop(struct judges *judges)
{
    if (judges == NULL)
        return;
    CHECK(judges->holds > 0);
    if (--judges->holds > 0)
        return;
    for (size_t i = 0; judges->sources != NULL && i < judges->setup->source_count; i++)
        source_judge_free(judges->sources[i].judge);
    source_judge_free(judges->unknown.judge);
    free(judges->sources);
    setup_drop(judges->setup);
    free(judges);
}

const struct judged_source *
judges_find(const struct judges *judges, struct str name)
{
    const struct source *source = setup_find_source(judges->setup, name);

    if (source == NULL)
        return &judges->unknown;
    return &judges->sources[source - judges->setup->sources];
}
