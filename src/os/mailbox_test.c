/* SPDX-License-Identifier: Apache-2.0 */
#include "os/mailbox.h"

#include <poll.h>
#include <stddef.h>
#include <stdlib.h>

#include "support/test.h"

#define SENDERS            4
#define LETTERS_PER_SENDER 5000

struct parcel {
    struct letter letter;
    struct mailbox *answer_to;
    int sender;
    int number;
};

/* What the receiver has seen; receiving thread only. */
static int numbers_next[SENDERS];
static size_t delivered;

static bool
is_readable(const struct mailbox *mailbox, int timeout_ms)
{
    struct pollfd poll_fd = {.fd = mailbox->event_fd, .events = POLLIN};

    return poll(&poll_fd, 1, timeout_ms) == 1;
}

static void
note_delivery(struct letter *letter)
{
    struct parcel *parcel = CONTAINER_OF(letter, struct parcel, letter);

    assert_int_equal(parcel->number, numbers_next[parcel->sender]);
    numbers_next[parcel->sender]++;
    delivered++;
}

static void
free_on_delivery(struct letter *letter)
{
    note_delivery(letter);
    free(CONTAINER_OF(letter, struct parcel, letter));
}

static int
reset(void **state)
{
    (void)state;
    for (int i = 0; i < SENDERS; i++)
        numbers_next[i] = 0;
    delivered = 0;
    return 0;
}

static void
letters_come_in_the_order_they_were_posted(void **state)
{
    struct mailbox mailbox;
    struct parcel parcels[5];

    (void)state;
    assert_int_equal(mailbox_init(&mailbox, NULL), OK);
    for (int i = 0; i < 5; i++)
        parcels[i] = (struct parcel){.letter = {.deliver = note_delivery}, .number = i};
    assert_null(mailbox_take(&mailbox));
    assert_false(is_readable(&mailbox, 0));

    mailbox_post(&mailbox, &parcels[0].letter);
    assert_true(is_readable(&mailbox, 0));
    parcels[1].letter.next = &parcels[2].letter;
    parcels[2].letter.next = &parcels[3].letter;
    mailbox_post_chain(&mailbox, &parcels[1].letter, &parcels[3].letter);
    mailbox_post(&mailbox, &parcels[4].letter);
    assert_int_equal(mailbox_drain(&mailbox), 5);
    assert_int_equal(delivered, 5);
    assert_false(is_readable(&mailbox, 0));
    assert_int_equal(mailbox_drain(&mailbox), 0);
    mailbox_done(&mailbox);
}

static void
the_eventfd_is_written_once_for_many_letters(void **state)
{
    struct mailbox mailbox;
    struct parcel parcels[3];

    (void)state;
    assert_int_equal(mailbox_init(&mailbox, NULL), OK);
    for (int i = 0; i < 3; i++) {
        parcels[i] = (struct parcel){.letter = {.deliver = note_delivery}, .number = i};
        mailbox_post(&mailbox, &parcels[i].letter);
    }
    assert_ptr_equal(mailbox_take(&mailbox), &parcels[0].letter);
    assert_ptr_equal(parcels[0].letter.next, &parcels[1].letter);
    assert_null(parcels[2].letter.next);
    assert_false(is_readable(&mailbox, 0));
    mailbox_post(&mailbox, &parcels[0].letter);
    assert_true(is_readable(&mailbox, 0));
    mailbox_done(&mailbox);
}

static void
repost_twice(struct letter *letter)
{
    struct parcel *parcel = CONTAINER_OF(letter, struct parcel, letter);

    if (++parcel->number < 3)
        mailbox_post(parcel->answer_to, letter);
}

static void
what_is_posted_while_draining_is_drained_too(void **state)
{
    struct mailbox mailbox;
    struct parcel parcel = {.letter = {.deliver = repost_twice}, .answer_to = &mailbox};

    (void)state;
    assert_int_equal(mailbox_init(&mailbox, NULL), OK);
    mailbox_post(&mailbox, &parcel.letter);
    assert_int_equal(mailbox_drain(&mailbox), 3);
    assert_int_equal(parcel.number, 3);
    mailbox_done(&mailbox);
}

struct sender {
    struct mailbox *mailbox;
    int number;
};

static void *
send_letters(void *arg)
{
    const struct sender *sender = arg;

    for (int i = 0; i < LETTERS_PER_SENDER; i++) {
        struct parcel *parcel = calloc(1, sizeof(*parcel));

        if (parcel == NULL)
            abort();
        parcel->letter.deliver = free_on_delivery;
        parcel->sender = sender->number;
        parcel->number = i;
        mailbox_post(sender->mailbox, &parcel->letter);
    }
    return NULL;
}

/* The receiver sleeps whenever the box is empty, so a lost wake-up would end in the time-out. */
static void
many_threads_may_post_and_none_goes_unheard(void **state)
{
    struct mailbox mailbox;
    struct sender senders[SENDERS];
    pthread_t threads[SENDERS];

    (void)state;
    assert_int_equal(mailbox_init(&mailbox, NULL), OK);
    for (int i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){&mailbox, i};
        assert_int_equal(pthread_create(&threads[i], NULL, send_letters, &senders[i]), 0);
    }
    while (delivered < (size_t)SENDERS * LETTERS_PER_SENDER) {
        assert_true(is_readable(&mailbox, 20000));
        (void)mailbox_drain(&mailbox);
    }
    for (int i = 0; i < SENDERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(numbers_next[i], LETTERS_PER_SENDER);
    }
    assert_null(mailbox_take(&mailbox));
    mailbox_done(&mailbox);
}

static void
send_back(struct letter *letter)
{
    const struct parcel *parcel = CONTAINER_OF(letter, struct parcel, letter);

    letter->deliver = note_delivery;
    mailbox_post(parcel->answer_to, letter);
}

static void *
answer_letters(void *arg)
{
    struct mailbox *mailbox = arg;

    for (size_t count = 0; count < LETTERS_PER_SENDER;) {
        if (!is_readable(mailbox, 20000))
            abort();
        count += mailbox_drain(mailbox);
    }
    return NULL;
}

/* The last answer may be the last thing its box is for: it is closed at once. */
static void
two_threads_may_hand_a_letter_to_and_fro(void **state)
{
    struct mailbox there;
    struct mailbox here;
    pthread_t thread;

    (void)state;
    assert_int_equal(mailbox_init(&there, NULL), OK);
    assert_int_equal(mailbox_init(&here, NULL), OK);
    assert_int_equal(pthread_create(&thread, NULL, answer_letters, &there), 0);
    for (int i = 0; i < LETTERS_PER_SENDER; i++) {
        struct parcel parcel = {.letter = {.deliver = send_back}, .answer_to = &here, .number = i};

        mailbox_post(&there, &parcel.letter);
        while (delivered == (size_t)i) {
            assert_true(is_readable(&here, 20000));
            (void)mailbox_drain(&here);
        }
    }
    mailbox_done(&here);
    assert_int_equal(pthread_join(thread, NULL), 0);
    mailbox_done(&there);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(letters_come_in_the_order_they_were_posted, reset),
        cmocka_unit_test_setup(the_eventfd_is_written_once_for_many_letters, reset),
        cmocka_unit_test_setup(what_is_posted_while_draining_is_drained_too, reset),
        cmocka_unit_test_setup(many_threads_may_post_and_none_goes_unheard, reset),
        cmocka_unit_test_setup(two_threads_may_hand_a_letter_to_and_fro, reset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
