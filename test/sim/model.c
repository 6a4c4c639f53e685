/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/model.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "sim/sim.h"

void
model_init(struct model *model, struct sim *sim)
{
    memset(model, 0, sizeof(*model));
    model->sim = sim;
}

static void
told_free(struct told *told)
{
    if (told != NULL)
        free(told->cells);
    free(told);
}

void
model_done(struct model *model)
{
    for (size_t i = 0; i < model->news_count; i++) {
        for (int hook = 0; hook < HOOKS_MAX; hook++)
            told_free(model->news[i]->told[hook]);
        free(model->news[i]);
    }
    for (int i = 0; i < model->group_count; i++)
        free(model->groups[i].seats);
    for (int i = 0; i < model->hook_count; i++)
        for (int webinar = 0; webinar < WEBINARS_MAX; webinar++)
            free(model->hooks[i].newest[webinar]);
    for (size_t i = 0; i < COUNT_OF(model->loops); i++)
        free(model->loops[i].unkept);
}

/* --- groups --- */

int
model_group(struct model *model, int64_t pk)
{
    CHECK(model->group_count < GROUPS_MAX);
    model->groups[model->group_count] = (struct group){.pk = pk};
    return model->group_count++;
}

void
model_seat(struct model *model, int group, int person, int64_t ord)
{
    struct group *at = &model->groups[group];

    if (ord != (int64_t)at->count)
        sim_fail(model->sim, "somebody has ord %lld of a group that has %zu", (long long)ord,
            at->count);
    if (at->count == at->room) {
        at->room = at->room == 0 ? 16 : at->room * 2;
        at->seats = reallocarray(at->seats, at->room, sizeof(*at->seats));
        CHECK(at->seats != NULL);
    }
    at->seats[at->count++] = (struct seat){person, INT64_MAX};
}

void
model_leave(struct model *model, int group, int person, int64_t sequence)
{
    struct group *at = &model->groups[group];

    for (size_t i = 0; i < at->count; i++)
        if (at->seats[i].person == person && at->seats[i].left == INT64_MAX)
            at->seats[i].left = sequence;
}

bool
model_is_in(const struct model *model, int group, int person)
{
    const struct group *at = &model->groups[group];

    for (size_t i = 0; i < at->count; i++)
        if (at->seats[i].person == person && at->seats[i].left == INT64_MAX)
            return true;
    return false;
}

static bool
range_has(const struct model *model, const struct news_range *range, int person, int64_t sequence)
{
    const struct group *group = &model->groups[range->group];

    for (int64_t ord = range->lo; ord < range->hi; ord++)
        if (group->seats[ord].person == person && group->seats[ord].left > sequence)
            return true;
    return false;
}

/* --- cells --- */

bool
told_is_open(const struct told *told)
{
    return told->counts[CELL_READY] + told->counts[CELL_FLYING] + told->counts[CELL_WAITING] > 0;
}

/* By sequence. */
static void
told_open(struct told *told)
{
    struct list *open = &told->hook->open;
    struct link *after = open->head.prev;

    while (after != &open->head &&
           LIST_ENTRY(after, struct told, link)->news->sequence > told->news->sequence)
        after = after->prev;
    link_insert_after(&told->link, after);
}

void
cell_move(struct told *told, struct cell *cell, enum cell_state state)
{
    bool was_over = cell->state == CELL_READY && cell->may_be_over;

    told->counts[cell->state]--;
    cell->state = state;
    told->counts[cell->state]++;
    told->over += (cell->state == CELL_READY && cell->may_be_over);
    told->over -= was_over;
    if (told_is_open(told) && link_is_alone(&told->link))
        told_open(told);
    else if (!told_is_open(told))
        link_remove(&told->link);
}

static void
cell_doubt(struct told *told, struct cell *cell, bool may_be_over)
{
    if (cell->may_be_over == may_be_over)
        return;
    cell->may_be_over = may_be_over;
    if (cell->state == CELL_READY && may_be_over)
        told->over++;
    else if (cell->state == CELL_READY)
        told->over--;
}

static struct cell *
told_find(struct told *told, int person)
{
    for (size_t n = 0; n < told->count; n++) {
        struct cell *cell = &told->cells[told->hint];

        if (cell->person == person && cell->state != CELL_NOBODY)
            return cell;
        told->hint = (told->hint + 1) % told->count;
    }
    return NULL;
}

struct cell *
claim_cell(const struct claim *claim)
{
    return &claim->told->cells[claim->pos];
}

bool
cell_is_covered(const struct told *told, const struct cell *cell)
{
    for (struct told *newer = told->newer; newer != NULL; newer = newer->newer)
        if (told_find(newer, cell->person) != NULL)
            return true;
    return false;
}

void
cell_look_for_newer(struct told *told, struct cell *cell)
{
    bool is_again = cell->state == CELL_WAITING || (cell->state == CELL_READY && cell->is_returned);

    if (is_again && !cell->may_be_over && cell_is_covered(told, cell))
        cell_doubt(told, cell, true);
}

/* --- what was committed --- */

bool
hook_wants(const struct model *model, const struct hook_model *hook, const struct news *news)
{
    const struct webinar_model *webinar = &model->webinars[news->webinar];

    return hook->notice == NULL && hook->state == HOOK_IS_ENABLED &&
           hook->account == webinar->account &&
           (hook->webinar < 0 || hook->webinar == news->webinar);
}

static bool
range_counts(const struct told *told, const struct news_range *range)
{
    return !range->is_told && (told->group < 0 || told->group == range->group);
}

/* Who is on an ord of a range: nobody, where they have left, or another range has them first. */
static int
owed_to(const struct model *model, const struct told *told, size_t range, int64_t ord)
{
    const struct news *news = told->news;
    const struct seat *seat = &model->groups[news->ranges[range].group].seats[ord];

    if (seat->left <= news->sequence || model->people[seat->person].is_erased)
        return -1;
    for (size_t i = 0; told->group < 0 && i < news->range_count; i++)
        if ((i < range || news->ranges[i].is_told) && i != range &&
            range_has(model, &news->ranges[i], seat->person, news->sequence))
            return -1;
    return seat->person;
}

static void
told_fill(const struct model *model, struct told *told)
{
    const struct news *news = told->news;

    for (size_t i = 0; i < news->range_count; i++) {
        if (!range_counts(told, &news->ranges[i]))
            continue;
        for (int64_t ord = news->ranges[i].lo; ord < news->ranges[i].hi; ord++) {
            struct cell *cell = &told->cells[told->count++];

            cell->person = owed_to(model, told, i, ord);
            cell->state = cell->person < 0 ? CELL_NOBODY : CELL_READY;
            cell->kept_state = cell->state;
            told->counts[cell->state]++;
        }
    }
}

static struct told *
told_make(struct model *model, struct news *news, struct hook_model *hook)
{
    struct told *told = calloc(1, sizeof(*told));
    int64_t count = 0;

    CHECK(told != NULL);
    link_init(&told->link);
    told->news = news;
    told->hook = hook;
    told->group = hook->mango < 0 ? -1 : model->mangoes[hook->mango].group;
    for (size_t i = 0; i < news->range_count; i++)
        if (range_counts(told, &news->ranges[i]))
            count += news->ranges[i].hi - news->ranges[i].lo;
    if (count == 0) {
        free(told);
        return NULL;
    }
    told->cells = calloc((size_t)count, sizeof(*told->cells));
    CHECK(told->cells != NULL);
    told_fill(model, told);
    if (told_is_open(told))
        told_open(told);
    return told;
}

/* Between the webinar's event before and the one after, as far as those go to the hook. */
static void
told_chain(struct model *model, struct told *told)
{
    struct told *before = NULL;

    for (size_t i = 0; i < model->news_count; i++) {
        struct told *other = model->news[i]->told[told->hook->index];

        if (other == NULL || other == told || other->news->webinar != told->news->webinar)
            continue;
        if (other->news->sequence < told->news->sequence)
            before = other;
        else if (told->newer == NULL)
            told->newer = other;
    }
    if (before != NULL)
        before->newer = told;
}

struct told *
told_add(struct model *model, struct news *news, struct hook_model *hook)
{
    news->told[hook->index] = told_make(model, news, hook);
    if (news->told[hook->index] != NULL)
        told_chain(model, news->told[hook->index]);
    return news->told[hook->index];
}

void
told_cover(struct told *newer)
{
    LIST_FOREACH(&newer->hook->open, it)
    {
        struct told *told = LIST_ENTRY(it, struct told, link);

        if (told == newer)
            return;
        if (told->news->webinar != newer->news->webinar)
            continue;
        for (size_t i = 0; i < told->count; i++)
            cell_look_for_newer(told, &told->cells[i]);
    }
}

void
model_tell(struct model *model, struct news *news)
{
    CHECK(model->news_count < EVENTS_MAX);
    if (model->news_count > 0 && news->sequence <= model->news[model->news_count - 1]->sequence)
        sim_fail(model->sim, "an event's sequence is not larger than the last one's");
    model->news[model->news_count++] = news;
    for (int i = 0; i < model->hook_count; i++) {
        struct hook_model *hook = &model->hooks[i];

        if (!hook_wants(model, hook, news))
            continue;
        if (told_add(model, news, hook) != NULL)
            told_cover(news->told[i]);
    }
}

static bool
is_to_come(const struct cell *cell)
{
    return cell->state == CELL_READY || cell->state == CELL_WAITING;
}

/* What is in flight ends by itself. */
static void
cell_excuse(struct told *told, struct cell *cell)
{
    if (is_to_come(cell))
        cell_move(told, cell, CELL_EXCUSED);
    if (cell->kept_state == CELL_READY || cell->kept_state == CELL_WAITING)
        cell->kept_state = CELL_EXCUSED;
}

static void
told_cancel(struct told *told)
{
    told->is_cancelled = told->is_cancelled || told_is_open(told);
    for (size_t i = 0; i < told->count; i++)
        cell_excuse(told, &told->cells[i]);
}

void
model_erase(struct model *model, int person)
{
    model->people[person].is_erased = true;
    for (size_t i = 0; i < model->news_count; i++)
        for (int hook = 0; hook < model->hook_count; hook++) {
            struct told *told = model->news[i]->told[hook];
            struct cell *cell = told != NULL ? told_find(told, person) : NULL;

            if (cell != NULL)
                cell_excuse(told, cell);
        }
}

void
model_cancel_webinar(struct model *model, int webinar)
{
    model->webinars[webinar].is_deleted = true;
    for (size_t i = 0; i < model->news_count; i++)
        for (int hook = 0; model->news[i]->webinar == webinar && hook < model->hook_count; hook++)
            if (model->news[i]->told[hook] != NULL)
                told_cancel(model->news[i]->told[hook]);
}

void
model_delete_hook(struct model *model, struct hook_model *hook)
{
    hook->state = HOOK_IS_DELETED;
    for (size_t i = 0; i < model->news_count; i++)
        if (model->news[i]->told[hook->index] != NULL)
            told_cancel(model->news[i]->told[hook->index]);
}

/* --- attempts --- */

static struct news *
find_news(struct model *model, int64_t sequence)
{
    size_t lo = 0;
    size_t hi = model->news_count;

    while (lo < hi) {
        size_t middle = (lo + hi) / 2;

        if (model->news[middle]->sequence < sequence)
            lo = middle + 1;
        else
            hi = middle;
    }
    return lo < model->news_count && model->news[lo]->sequence == sequence ? model->news[lo] : NULL;
}

static struct claim
find_claim(struct model *model, const struct sighting *sighting)
{
    struct news *news = find_news(model, sighting->sequence);
    struct told *told = NULL;
    struct cell *cell = NULL;

    for (int i = 0; news != NULL && i < model->hook_count; i++)
        if (id_equals(model->hooks[i].id, sighting->hook))
            told = news->told[i];
    for (int i = 0; told != NULL && cell == NULL && i < model->person_count; i++)
        if (id_equals(model->people[i].id, sighting->attendee))
            cell = told_find(told, i);
    if (cell == NULL || !id_equals(news->id, sighting->event))
        sim_fail(model->sim, "an attempt of event %lld that nobody is owed (%s)",
            (long long)sighting->sequence,
            news == NULL   ? "no such event"
            : told == NULL ? "not by that hook"
                           : "not by that person");
    return (struct claim){told, (size_t)(cell - told->cells), sighting->attempt, told->round};
}

/* Nothing older after something newer. */
static void
check_order(struct model *model, const struct claim *claim)
{
    struct hook_model *hook = claim->told->hook;
    int64_t **newest = &hook->newest[claim->told->news->webinar];
    int64_t sequence = claim->told->news->sequence;
    int person = claim_cell(claim)->person;

    if (*newest == NULL) {
        *newest = calloc(PEOPLE_MAX, sizeof(**newest));
        CHECK(*newest != NULL);
    }
    if ((*newest)[person] > sequence)
        sim_fail(model->sim,
            "hook %d: person %d is told of webinar %d's event %lld, after %lld was started",
            hook->index, person, claim->told->news->webinar, (long long)sequence,
            (long long)(*newest)[person]);
    (*newest)[person] = sequence;
}

int64_t
cell_due_us(const struct told *told, const struct cell *cell)
{
    int64_t until = told->until[cell->was_asked];

    return cell->due_max > until ? cell->due_max : until;
}

static void
check_allowed(struct model *model, const struct claim *claim)
{
    const struct hook_model *hook = claim->told->hook;
    const struct cell *cell = claim_cell(claim);
    int64_t sequence = claim->told->news->sequence;
    int64_t due_us = cell_due_us(claim->told, cell);

    if (hook->is_closed)
        sim_fail(model->sim, "hook %d: an attempt starts after it was closed", hook->index);
    if (model->people[cell->person].is_forgotten)
        sim_fail(model->sim, "hook %d: person %d is told after their erasure", hook->index,
            cell->person);
    if (model->webinars[claim->told->news->webinar].is_dropped)
        sim_fail(model->sim, "hook %d: an attempt of a deleted webinar's event starts",
            hook->index);
    if (cell->state != CELL_READY && cell->state != CELL_WAITING && cell->state != CELL_EXCUSED &&
        !cell->may_repeat)
        sim_fail(model->sim,
            "hook %d: event %lld to person %d starts once more, attempt %u, state %d, made %u",
            hook->index, (long long)sequence, cell->person, claim->attempt, (int)cell->state,
            cell->attempts);
    if (claim->attempt != cell->attempts + 1 && cell->state != CELL_EXCUSED && !cell->may_repeat)
        sim_fail(model->sim, "hook %d: event %lld to person %d: attempt %u after %u", hook->index,
            (long long)sequence, cell->person, claim->attempt, cell->attempts);
    /* A due moment that lies further away than any does was written while the clock was wrong. */
    if (cell->state == CELL_WAITING && sim_wall(model->sim).us < cell->due_min &&
        due_us - sim_wall(model->sim).us < US_PER_DAY)
        sim_fail(model->sim, "hook %d: event %lld to person %d starts %lld ms before it is due",
            hook->index, (long long)sequence, cell->person,
            (long long)(cell->due_min - sim_wall(model->sim).us) / US_PER_MS);
}

struct claim
model_start(struct model *model, const struct sighting *sighting)
{
    struct claim claim = find_claim(model, sighting);
    struct cell *cell = claim_cell(&claim);

    check_allowed(model, &claim);
    check_order(model, &claim);
    cell_doubt(claim.told, cell, false);
    if (cell->may_repeat && cell->state != CELL_READY && cell->state != CELL_WAITING) {
        cell->attempts = claim.attempt - 1;
        cell->may_repeat = false;
    }
    /* Taken up once, it is due whatever the clock says. */
    cell->due_min = 0;
    cell_move(claim.told, cell, CELL_FLYING);
    claim.told->hook->in_flight++;
    model->attempts++;
    return claim;
}

static void
unkept_add(struct loop_model *loop, const struct unkept *unkept)
{
    if (loop->count == loop->room) {
        loop->room = loop->room == 0 ? 64 : loop->room * 2;
        loop->unkept = reallocarray(loop->unkept, loop->room, sizeof(*loop->unkept));
        CHECK(loop->unkept != NULL);
    }
    loop->unkept[loop->count] = *unkept;
    loop->unkept[loop->count++].number = ++loop->answered;
}

static bool
is_excused(const struct model *model, const struct told *told, const struct cell *cell)
{
    return told->is_cancelled || model->people[cell->person].is_erased ||
           told->hook->state == HOOK_IS_DELETED || model->webinars[told->news->webinar].is_deleted;
}

/* Failed, and it counts: it waits, or that was the last. */
static enum cell_state
cell_fail(struct model *model, struct cell *cell, const struct verdict *verdict)
{
    const struct schedule *schedule = &model->sim->schedule;
    int64_t delay_us;

    cell->attempts++;
    cell->was_asked = verdict->asked_us > 0;
    if (verdict->answer == ANSWER_GONE || cell->attempts > schedule->count)
        return CELL_DEAD;
    delay_us = schedule->delays_us[cell->attempts - 1];
    cell->due_min = delay_us - delay_us / 5;
    cell->due_max = delay_us + delay_us / 5;
    if (cell->due_min < verdict->asked_us)
        cell->due_min = verdict->asked_us;
    if (cell->due_max < verdict->asked_us)
        cell->due_max = verdict->asked_us;
    cell->due_min += sim_wall(model->sim).us;
    cell->due_max += sim_wall(model->sim).us;
    return CELL_WAITING;
}

void
model_end(struct model *model, const struct claim *claim, const struct verdict *verdict)
{
    struct told *told = claim->told;
    struct cell *cell = claim_cell(claim);
    struct loop_model *loop = &model->loops[verdict->loop];
    enum cell_state state = cell->attempts > 0 ? CELL_WAITING : CELL_READY;

    told->hook->in_flight--;
    told->hook->is_draining = told->hook->is_draining && told->hook->in_flight > 0;
    if (verdict->answer == ANSWER_GONE)
        told->hook->was_gone = true;
    /* Of a round that is over: it changes nothing any more. */
    if (claim->round != told->round) {
        if (verdict->disables)
            model_disable(model, told->hook, verdict->loop);
        return;
    }
    if (verdict->answer == ANSWER_GOOD)
        state = CELL_DELIVERED;
    else if (verdict->answer == ANSWER_GONE || (verdict->answer == ANSWER_BAD && verdict->counts))
        state = cell_fail(model, cell, verdict);
    if (cell->was_asked && told->until[1] < cell->due_max)
        told->until[1] = cell->due_max;
    if (state != CELL_DELIVERED && state != CELL_DEAD && is_excused(model, told, cell))
        state = CELL_EXCUSED;
    cell->is_returned = cell->is_returned || state == CELL_READY;
    cell_move(told, cell, state);
    cell_look_for_newer(told, cell);
    unkept_add(loop, &(struct unkept){
                         .told = told,
                         .pos = claim->pos,
                         .state = state,
                         .attempts = cell->attempts,
                         .due_min = cell->due_min,
                         .due_max = cell->due_max,
                         .was_asked = cell->was_asked,
                     });
    if (verdict->disables)
        model_disable(model, told->hook, verdict->loop);
}

void
model_disable(struct model *model, struct hook_model *hook, unsigned loop)
{
    hook->is_closed = true;
    unkept_add(&model->loops[loop], &(struct unkept){.gone = hook});
    model_return(model, hook);
}

/* --- what is on disk --- */

void
model_flush_gathered(struct model *model, unsigned loop)
{
    struct loop_model *at = &model->loops[loop];

    /* One that failed is tried again as it was. */
    if (!at->is_out)
        at->gathered = at->answered;
    at->is_out = true;
}

static void
unkept_keep(const struct unkept *unkept)
{
    struct cell *cell;

    if (unkept->gone != NULL) {
        if (unkept->gone->state == HOOK_IS_ENABLED)
            unkept->gone->state = HOOK_IS_DISABLED;
        return;
    }
    if (unkept->round != unkept->told->round)
        return;
    cell = &unkept->told->cells[unkept->pos];
    /* Excused ones stay so, but for the one that got through. */
    if (cell->kept_state == CELL_EXCUSED && unkept->state != CELL_DELIVERED &&
        unkept->state != CELL_DEAD)
        return;
    cell->kept_state = unkept->state;
    cell->kept_attempts = unkept->attempts;
    cell->kept_due_min = unkept->due_min;
    cell->kept_due_max = unkept->due_max;
    cell->kept_was_asked = unkept->was_asked;
}

void
model_flush_committed(struct model *model, unsigned loop)
{
    struct loop_model *at = &model->loops[loop];
    size_t kept = 0;

    while (kept < at->count && at->unkept[kept].number <= at->gathered)
        unkept_keep(&at->unkept[kept++]);
    if (at->count > kept)
        memmove(at->unkept, at->unkept + kept, (at->count - kept) * sizeof(*at->unkept));
    at->count -= kept;
    at->is_out = false;
}

/* What was due once may have been taken up, and then is due whatever the clock says. So is what
 * lies further away than anything can: it was written while the clock was wrong. */
static int64_t
due_as_of(int64_t due_us, int64_t now_us)
{
    return due_us <= now_us || due_us - now_us >= US_PER_DAY ? 0 : due_us;
}

static void
cell_is_due(struct model *model, struct cell *cell)
{
    int64_t now_us = sim_wall(model->sim).us;

    cell->due_min = due_as_of(cell->due_min, now_us);
    cell->kept_due_min = due_as_of(cell->kept_due_min, now_us);
}

/* Those of a fan-out that fail within one flush wait together, until the last of them is due: as
 * the clock was then. */
static void
wait_together(struct model *model)
{
    for (size_t i = 0; i < COUNT_OF(model->loops); i++)
        for (size_t n = 0; n < model->loops[i].count; n++) {
            const struct unkept *unkept = &model->loops[i].unkept[n];

            if (unkept->told != NULL && unkept->told->until[unkept->was_asked] < unkept->due_max)
                unkept->told->until[unkept->was_asked] = unkept->due_max;
        }
}

void
model_clock_set(struct model *model)
{
    wait_together(model);
    for (int i = 0; i < model->hook_count; i++) {
        LIST_FOREACH(&model->hooks[i].open, it)
        {
            struct told *told = LIST_ENTRY(it, struct told, link);

            for (size_t n = 0; n < told->count; n++)
                cell_is_due(model, &told->cells[n]);
        }
    }
}

void
model_return(struct model *model, struct hook_model *hook)
{
    LIST_FOREACH(&hook->open, it)
    {
        struct told *told = LIST_ENTRY(it, struct told, link);

        for (size_t i = 0; i < told->count; i++) {
            told->cells[i].is_returned = true;
            cell_is_due(model, &told->cells[i]);
            cell_look_for_newer(told, &told->cells[i]);
        }
    }
}

static void
cell_restore(struct told *told, struct cell *cell)
{
    cell_doubt(told, cell, false);
    cell->attempts = cell->kept_attempts;
    cell->due_min = cell->kept_due_min;
    cell->due_max = cell->kept_due_max;
    cell->was_asked = cell->kept_was_asked;
    cell_move(told, cell, cell->kept_state);
}

static void
hook_life_ends(struct model *model, struct hook_model *hook)
{
    LIST_FOREACH(&hook->open, it)
    {
        struct told *told = LIST_ENTRY(it, struct told, link);

        for (size_t i = 0; told->counts[CELL_FLYING] > 0 && i < told->count; i++)
            if (told->cells[i].state == CELL_FLYING)
                cell_restore(told, &told->cells[i]);
    }
    hook->in_flight = 0;
    hook->is_draining = false;
    hook->rate_free_us = 0;
    hook->version_seen = 0;
    hook->rate_next_us = 0;
    hook->changes_open = 0;
    hook->heard = hook->now;
    hook->is_closed = hook->state != HOOK_IS_ENABLED;
    model_return(model, hook);
}

void
model_life_ends(struct model *model)
{
    for (size_t i = 0; i < COUNT_OF(model->loops); i++) {
        struct loop_model *loop = &model->loops[i];

        for (size_t n = 0; n < loop->count; n++)
            if (loop->unkept[n].told != NULL)
                cell_restore(loop->unkept[n].told,
                    &loop->unkept[n].told->cells[loop->unkept[n].pos]);
        loop->count = 0;
        loop->is_out = false;
    }
    for (int i = 0; i < model->hook_count; i++)
        hook_life_ends(model, &model->hooks[i]);
    for (int i = 0; i < model->person_count; i++)
        model->people[i].is_forgotten = model->people[i].is_erased;
    for (int i = 0; i < model->webinar_count; i++)
        model->webinars[i].is_dropped = model->webinars[i].is_deleted;
}

/* --- looking --- */

static bool
told_startable(struct told *told, bool is_fresh, struct claim *ret)
{
    for (size_t i = 0; told->counts[CELL_READY] > told->over && i < told->count; i++) {
        const struct cell *cell = &told->cells[i];

        if (cell->state != CELL_READY || cell->may_be_over || (is_fresh && cell->is_returned))
            continue;
        *ret = (struct claim){told, i, cell->attempts + 1};
        return true;
    }
    return false;
}

bool
hook_startable(const struct hook_model *hook, bool is_fresh, struct claim *ret)
{
    bool is_blocked[WEBINARS_MAX] = {false};

    LIST_FOREACH(&hook->open, it)
    {
        struct told *told = LIST_ENTRY(it, struct told, link);
        bool *blocked = &is_blocked[told->news->webinar];

        if (!*blocked && told_startable(told, is_fresh, ret))
            return true;
        *blocked = *blocked || told->counts[CELL_READY] + told->counts[CELL_FLYING] > 0;
    }
    return false;
}
