/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the scene share.
 */
#ifndef TEST_TORTURE_SCENE_INSIDE_H
#define TEST_TORTURE_SCENE_INSIDE_H

#include "support/sending.h"
#include "torture/scene.h"

struct scene {
    struct world world;
    struct ledger *ledger;
    const char *path;
};

/* --- scene_calls.c: transactions, asked for until they are granted --- */

/* Once. What fails has said why. */
enum err ask_once(struct scene *scene, enum err (*fn)(struct act *act, struct engine *engine),
    int64_t n, int64_t *ret_pk);
/* Again and again while time passes; ERR_CONFLICT alone is an answer, too. */
enum err ask(struct scene *scene, enum err (*fn)(struct act *act, struct engine *engine), int64_t n,
    int64_t *ret_pk);

/* n: which hook; how many members, unless they are there; a webinar's number; which event. */
enum err scene_add_hook(struct act *act, struct engine *engine);
enum err scene_add_members(struct act *act, struct engine *engine);
enum err scene_add_webinar(struct act *act, struct engine *engine);
enum err scene_tell(struct act *act, struct engine *engine);
enum err scene_count_event(struct act *act, struct engine *engine); /* 1: it is there */
/* n: a hook's pk. It gets another URL, is disabled, enabled, has event 2 replayed, recovers. */
enum err scene_edit(struct act *act, struct engine *engine);
enum err scene_disable(struct act *act, struct engine *engine);
enum err scene_enable(struct act *act, struct engine *engine);
enum err scene_replay(struct act *act, struct engine *engine);
enum err scene_recover(struct act *act, struct engine *engine);
/* Of the flaky hook its worst member's delivery of event 0, whose sequence is n. */
enum err scene_retry(struct act *act, struct engine *engine);
enum err scene_count_owed(struct act *act, struct engine *engine); /* what is left of anything */
enum err scene_open_hooks(struct act *act, struct engine *engine); /* wakes them */

int64_t webinar_of(size_t event);
struct id event_id(size_t event);

/* --- scene.c --- */

/* Let time pass; what starts is answered as its endpoint would. */
void let(struct scene *scene, int64_t us);

/* --- judge.c --- */

void judge(struct scene *scene);

#endif
