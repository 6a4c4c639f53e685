/* SPDX-License-Identifier: Apache-2.0 */
#include "base/list.h"

#include "base/check.h"

void
link_init(struct link *link)
{
    link->prev = link;
    link->next = link;
}

bool
link_is_alone(const struct link *link)
{
    return link->next == link;
}

void
link_remove(struct link *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    link_init(link);
}

void
link_insert_after(struct link *link, struct link *after)
{
    CHECK(link_is_alone(link));
    link->prev = after;
    link->next = after->next;
    after->next->prev = link;
    after->next = link;
}

void
list_init(struct list *list)
{
    link_init(&list->head);
}

bool
list_is_empty(const struct list *list)
{
    return link_is_alone(&list->head);
}

struct link *
list_first(const struct list *list)
{
    return list_is_empty(list) ? NULL : list->head.next;
}

struct link *
list_last(const struct list *list)
{
    return list_is_empty(list) ? NULL : list->head.prev;
}

void
list_append(struct list *list, struct link *link)
{
    link_insert_after(link, list->head.prev);
}

void
list_prepend(struct list *list, struct link *link)
{
    link_insert_after(link, &list->head);
}

struct link *
list_take_first(struct list *list)
{
    struct link *first = list_first(list);

    if (first != NULL)
        link_remove(first);
    return first;
}
