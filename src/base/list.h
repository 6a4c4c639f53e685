/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Doubly linked lists whose links lie inside their elements; the list owns nothing.
 *
 * A link is either in exactly one list or alone (link_init, or after link_remove).
 */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"

struct link {
    struct link *prev;
    struct link *next;
};

struct list {
    struct link head;
};

#define LIST_ENTRY(link, type, member) CONTAINER_OF(link, type, member)

/* The body may remove the element it stands on, no other. */
#define LIST_FOREACH(list, it)                                                                     \
    for (struct link *it = (list)->head.next, *it##_next_ = it->next; it != &(list)->head;         \
         it = it##_next_, it##_next_ = it->next)

void list_init(struct list *list);
bool list_is_empty(const struct list *list);
struct link *list_first(const struct list *list); /* NULL when empty */
struct link *list_last(const struct list *list);
void list_append(struct list *list, struct link *link);  /* link must be alone */
void list_prepend(struct list *list, struct link *link); /* link must be alone */
struct link *list_take_first(struct list *list);         /* and remove it; NULL when empty */

void link_init(struct link *link);
/* link must be alone; after is in a list, or is its head. */
void link_insert_after(struct link *link, struct link *after);
void link_remove(struct link *link); /* alone afterwards; may be alone already */
bool link_is_alone(const struct link *link);

#endif
