/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths into a JSON body, "callList.0.webinarId" or "callList.*.webinarId", and conditions on what
 * they lead to: the filter of a handler, and the parts of an identity.
 *
 * A star leads to all elements or members. A dot, a star or an operator's sign that belongs to a
 * name has a backslash before it.
 *
 * A condition is `PATH OPERATOR VALUE`, with `=`, `!=`, `^=` (starts with), `*=` (holds), `<`, `>`
 * (both as numbers, or both as times), or `PATH exists`, `PATH absent`. Values may stand in quotes.
 * A path with a star holds when any of the places does; where there is no place nothing holds but
 * `!=` and `absent`. A null exists. Texts are compared by bytes, numbers by their exact value; a
 * number without quotes also equals the text that is written so. `true`, `false` and `null` mean
 * themselves unless they are quoted.
 */
#ifndef DOMAIN_FIELD_PATH_H
#define DOMAIN_FIELD_PATH_H

#include "base/arena.h"
#include "base/json.h"

#define FIELD_PATH_STEPS_MAX 8

struct field_path {
    struct str steps[FIELD_PATH_STEPS_MAX]; /* of a copy in the arena; absent: a star */
    size_t step_count;
};

MUST_CHECK enum err field_path_parse(struct str text, struct arena *arena, struct field_path *ret,
    struct error *reterr);
/* Call with each place that the path leads to, in the body's order, until it returns false. */
void field_path_walk(const struct field_path *path, const struct json *body,
    bool (*on_place)(const struct json *place, void *arg), void *arg);

/* Does that step lead from parent to child, its index-th? For who walks a body anyway. */
bool field_path_leads(const struct field_path *path, size_t step, const struct json *parent,
    const struct json *child, size_t index);

struct field_condition;

MUST_CHECK enum err field_condition_parse(struct str text, struct arena *arena,
    struct field_condition **ret, struct error *reterr);
bool field_condition_holds(const struct field_condition *condition, const struct json *body);

#endif
