/* SPDX-License-Identifier: Apache-2.0 */
#include "os/mailbox.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/check.h"

enum err
mailbox_init(struct mailbox *mailbox, struct error *reterr)
{
    int event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    if (event_fd < 0)
        return error_set(reterr, ERR_IO, "mailbox: eventfd: %s", strerrordesc_np(errno));
    mailbox->event_fd = event_fd;
    mailbox->first = NULL;
    mailbox->end = &mailbox->first;
    CHECK(pthread_mutex_init(&mailbox->mutex, NULL) == 0);
    return OK;
}

void
mailbox_done(struct mailbox *mailbox)
{
    CHECK(pthread_mutex_destroy(&mailbox->mutex) == 0);
    (void)close(mailbox->event_fd);
    mailbox->event_fd = -1;
}

void
mailbox_post(struct mailbox *mailbox, struct letter *letter)
{
    mailbox_post_chain(mailbox, letter, letter);
}

void
mailbox_post_chain(struct mailbox *mailbox, struct letter *first, struct letter *last)
{
    static const uint64_t one = 1;

    last->next = NULL;
    CHECK(pthread_mutex_lock(&mailbox->mutex) == 0);
    /* Inside the lock: as soon as the receiver can have the letter it may be the last one it waited
     * for, and the eventfd closed. */
    if (mailbox->first == NULL)
        CHECK(write(mailbox->event_fd, &one, sizeof(one)) == sizeof(one) || errno == EAGAIN);
    *mailbox->end = first;
    mailbox->end = &last->next;
    CHECK(pthread_mutex_unlock(&mailbox->mutex) == 0);
}

struct letter *
mailbox_take(struct mailbox *mailbox)
{
    struct letter *first;
    uint64_t posted;

    /* The eventfd first: cleared after the letters are out, a post in between would go unheard. */
    CHECK(read(mailbox->event_fd, &posted, sizeof(posted)) == sizeof(posted) || errno == EAGAIN);
    CHECK(pthread_mutex_lock(&mailbox->mutex) == 0);
    first = mailbox->first;
    mailbox->first = NULL;
    mailbox->end = &mailbox->first;
    CHECK(pthread_mutex_unlock(&mailbox->mutex) == 0);
    return first;
}

size_t
mailbox_drain(struct mailbox *mailbox)
{
    size_t count = 0;

    for (;;) {
        struct letter *letter = mailbox_take(mailbox);

        if (letter == NULL)
            return count;
        while (letter != NULL) {
            /* Delivered, it may be posted elsewhere or gone. */
            struct letter *next = letter->next;

            letter->deliver(letter);
            letter = next;
            count++;
        }
    }
}
