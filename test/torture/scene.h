/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scene that is played again and again: hooks that do well, fail now and then, are dead, or are
 * gone; events; retries, an edit, a disabling, replays, a recovery and a clean restart.
 *
 * What was answered OK, and what the endpoints were told, stands in a ledger that outlives the
 * process: who dies in the midst is followed by another one that goes on at the same step. At the
 * end the ledger and the database are compared.
 */
#ifndef TEST_TORTURE_SCENE_H
#define TEST_TORTURE_SCENE_H

#include <stdbool.h>
#include <stdint.h>

enum scene_hook {
    HOOK_WELL,
    HOOK_FLAKY,  /* some fail at first, one of them until the endpoint is mended */
    HOOK_BROKEN, /* all fail until the endpoint is mended */
    HOOK_LEFT,   /* answers 410 until the endpoint is mended */
    HOOK_WATCH,  /* is told of the others: hook.failing */
    SCENE_HOOKS,
};

#define SCENE_MEMBERS 12
#define SCENE_EVENTS  5

/* One delivery, as the endpoint saw it. */
struct seen {
    int64_t sequence;
    unsigned accepted; /* answered with 200 */
};

struct ledger {
    int step;     /* the one that is being played; those before it are over */
    int deaths;   /* processes that ended in the midst */
    int refusals; /* calls of the store that failed, and said so */
    int64_t now_us;
    bool is_mended;
    int64_t hook_pks[SCENE_HOOKS];
    int64_t group;
    int64_t next_id;

    struct {
        bool is_accepted;
        int64_t sequence;
    } events[SCENE_EVENTS];
    struct seen seen[SCENE_HOOKS][SCENE_EVENTS][SCENE_MEMBERS];
    unsigned replays[SCENE_HOOKS][SCENE_EVENTS]; /* asked for, perhaps twice */
    unsigned answered;                           /* attempts, whatever with */
};

/* From the ledger's step to the end in the database at path, then lift all faults and judge. What
 * is wrong is printed, and ends the process with SIGABRT. */
void scene_play(struct ledger *ledger, const char *path);

#endif
