/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The model, where something is sent again: retries that were asked for, replays and recoveries;
 * and notices, which are owed to nobody.
 */
#include "base/check.h"
#include "sim/sim.h"

/* As it is on disk, it is to come once more; its next turn is a second time. */
static void
cell_open_again(struct model *model, struct told *told, struct cell *cell, enum cell_state state)
{
    cell->attempts = state == CELL_WAITING ? cell->attempts : 0;
    cell->is_returned = true;
    cell->due_min = 0;
    cell->due_max = sim_wall(model->sim).us;
    cell->kept_state = state;
    cell->kept_attempts = cell->attempts;
    cell->kept_due_min = 0;
    cell->kept_due_max = cell->due_max;
    cell_move(told, cell, state);
    cell_look_for_newer(told, cell);
}

void
model_retry(struct model *model, const struct claim *claim)
{
    struct cell *cell = claim_cell(claim);

    switch (cell->state == cell->kept_state ? cell->state : CELL_FLYING) {
    case CELL_DELIVERED:
    case CELL_DEAD: cell_open_again(model, claim->told, cell, CELL_READY); return;
    case CELL_WAITING: cell_open_again(model, claim->told, cell, CELL_WAITING); return;
    /* More has come of it than the store knew when it was asked: it may be sent once too often. */
    case CELL_FLYING:
        cell->may_repeat = true;
        claim->told->is_murky = true;
        return;
    case CELL_NOBODY:
    case CELL_READY:
    case CELL_EXCUSED:
    case CELL_STATES_COUNT: return;
    }
}

void
model_reopen(struct model *model, const struct claim *claim)
{
    struct cell *cell = claim_cell(claim);

    if (cell->state == CELL_DEAD && cell->kept_state == CELL_DEAD)
        cell_open_again(model, claim->told, cell, CELL_READY);
}

void
model_tell_late(struct model *model, struct news *news, struct hook_model *hook)
{
    struct told *told = told_add(model, news, hook);

    for (size_t i = 0; told != NULL && i < told->count; i++) {
        told->cells[i].is_returned = true;
        cell_look_for_newer(told, &told->cells[i]);
    }
    if (told != NULL)
        told_cover(told);
}

void
model_replay(struct model *model, struct news *news, struct hook_model *hook, bool is_in_hand)
{
    struct told *told = news->told[hook->index];

    if (told == NULL) {
        model_tell_late(model, news, hook);
        return;
    }
    told->round++;
    told->is_murky = is_in_hand;
    for (size_t i = 0; i < told->count; i++) {
        struct cell *cell = &told->cells[i];

        cell->may_repeat = is_in_hand;
        if (cell->state == CELL_NOBODY)
            continue;
        if (!model->people[cell->person].is_erased) {
            cell_open_again(model, told, cell, CELL_READY);
            continue;
        }
        cell->kept_state = CELL_EXCUSED;
        cell_move(told, cell, CELL_EXCUSED);
    }
}

/* --- notices --- */

void
notice_start(struct model *model, struct hook_model *hook, int64_t sequence)
{
    if (hook->notice == NULL)
        sim_fail(model->sim, "hook %d is sent a notice", hook->index);
    if (hook->is_closed)
        sim_fail(model->sim, "hook %d: a notice is sent after it was closed", hook->index);
    for (size_t i = 0; i < model->notice_count; i++)
        if (model->notices[i].hook == hook->index && model->notices[i].sequence == sequence &&
            model->notices[i].life == model->sim->lives)
            sim_fail(model->sim, "hook %d is sent notice %lld twice", hook->index,
                (long long)sequence);
    hook->in_flight++;
    model->attempts++;
}

void
notice_end(struct model *model, struct hook_model *hook, int64_t sequence,
    const struct verdict *verdict)
{
    hook->in_flight--;
    hook->is_draining = hook->is_draining && hook->in_flight > 0;
    if (verdict->answer == ANSWER_GOOD && model->notice_count < NOTICES_MAX)
        model->notices[model->notice_count++] =
            (struct taken_notice){sequence, hook->index, model->sim->lives};
    if (verdict->disables)
        model_disable(model, hook, verdict->loop);
}
