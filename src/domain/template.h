/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Texts with places for values: what an owner writes once and each item fills.
 *
 *   {{name}}              the value; nothing where there is none. It is put in as it is
 *   {{#name}} … {{/name}} only where there is a value and it is not empty
 *   {{^name}} … {{/name}} only where there is none
 *   {{#sessions}} … {{/sessions}} once for each session, whose values then stand inside
 *
 * A tag of a section that stands alone on its line takes the line with it. What a template may name
 * is known when it is read, so that a mistyped name is found then and not in front of a reader.
 * Pure; a template never changes.
 */
#ifndef DOMAIN_TEMPLATE_H
#define DOMAIN_TEMPLATE_H

#include "base/arena.h"
#include "base/buf.h"

#define TEMPLATE_BYTES_MAX (64 * 1024)
#define TEMPLATE_DEPTH_MAX 8 /* sections in sections */

struct template;

/* is_known: is there such a name, whether or not each item has a value for it? The text is borrowed
 * for as long as the template. ERR_INVALID with the line and what is wrong there; ERR_NOMEM. */
MUST_CHECK enum err template_parse(struct str text, bool (*is_known)(struct str name),
    struct arena *arena, struct template **ret, struct error *reterr);

struct template_values {
    /* Append the value; false, and nothing appended, when there is none. session: index of the one
     * whose turn it is, 0 outside of {{#sessions}}. */
    bool (*append)(void *arg, struct str name, size_t session, struct buf *buf);
    void *arg;
    size_t session_count;
};

/* Append; a full buffer shows there. */
void template_render(const struct template *self, const struct template_values *values,
    struct buf *buf);

#endif
