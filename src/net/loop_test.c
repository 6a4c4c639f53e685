/* SPDX-License-Identifier: Apache-2.0 */
#include "net/loop.h"

#include <event2/event.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/check.h"
#include "support/test.h"

struct note_letter {
    struct letter letter;
    struct diary *diary;
    char what;
};

struct diary {
    struct loop *loop;
    char text[64]; /* one letter for each thing that happened */
    struct turn_end turn_end;
    struct timer timer;
    struct instant fired;
    unsigned asks;
};

static void
note(struct diary *diary, char what)
{
    size_t len = strlen(diary->text);

    CHECK(len + 1 < sizeof(diary->text));
    diary->text[len] = what;
}

static int
start(void **state)
{
    struct diary *diary = calloc(1, sizeof(*diary));
    struct error error = {0};

    assert_non_null(diary);
    assert_int_equal(loop_new(7, &diary->loop, &error), OK);
    assert_int_equal(loop_index(diary->loop), 7);
    *state = diary;
    return 0;
}

static int
stop(void **state)
{
    struct diary *diary = *state;

    loop_free(diary->loop);
    free(diary);
    return 0;
}

static void
turn_until(struct diary *diary, const char *text)
{
    struct instant end = instant_add_ms(clock_instant(&clock_system), 10000);

    while (strcmp(diary->text, text) != 0 && clock_instant(&clock_system).us < end.us)
        loop_turn(diary->loop);
    assert_string_equal(diary->text, text);
}

/* ---- priorities and the end of a turn ---- */

struct source {
    struct diary *diary;
    struct event *event;
    int fd;
    char name;
    bool asks;
};

static void
on_source(evutil_socket_t fd, short what, void *arg)
{
    struct source *source = arg;
    uint64_t count;

    (void)fd;
    (void)what;
    CHECK(read(source->fd, &count, sizeof(count)) == sizeof(count));
    note(source->diary, source->name);
    if (source->asks) {
        turn_end_ask(&source->diary->turn_end);
        turn_end_ask(&source->diary->turn_end);
    }
}

static void
source_add(struct source *source, struct diary *diary, char name, enum loop_priority priority)
{
    *source = (struct source){.diary = diary, .name = name, .fd = eventfd(1, EFD_CLOEXEC)};
    assert_true(source->fd >= 0);
    source->event =
        event_new(loop_base(diary->loop), source->fd, EV_READ | EV_PERSIST, on_source, source);
    assert_non_null(source->event);
    assert_int_equal(event_priority_set(source->event, (int)priority), 0);
    assert_int_equal(event_add(source->event, NULL), 0);
}

static void
source_remove(struct source *source)
{
    event_free(source->event);
    (void)close(source->fd);
}

static void
on_turn_end(void *arg)
{
    struct diary *diary = arg;

    note(diary, 'E');
    if (diary->asks > 0) {
        diary->asks--;
        turn_end_ask(&diary->turn_end);
    }
}

static void
what_is_ready_runs_by_priority_and_the_turn_ends_once(void **state)
{
    struct diary *diary = *state;
    struct source delivery;
    struct source server;
    struct source timers;

    assert_int_equal(
        turn_end_init(&diary->turn_end, diary->loop, LOOP_DELIVERY, on_turn_end, diary), OK);
    source_add(&delivery, diary, 'd', LOOP_DELIVERY);
    source_add(&timers, diary, 't', LOOP_TIMERS);
    source_add(&server, diary, 's', LOOP_SERVER);
    server.asks = true;
    timers.asks = true;
    loop_turn(diary->loop);
    /* What was asked for before the deliveries were seen comes before or after them. */
    assert_int_equal(strncmp(diary->text, "st", 2), 0);
    assert_int_equal(strlen(diary->text), 4);
    assert_non_null(strchr(diary->text, 'E'));
    assert_non_null(strchr(diary->text, 'd'));
    loop_turn(diary->loop);
    assert_int_equal(strlen(diary->text), 4);
    source_remove(&delivery);
    source_remove(&timers);
    source_remove(&server);
    turn_end_done(&diary->turn_end);
}

static void
an_end_of_turn_may_be_asked_for_again_and_taken_back(void **state)
{
    struct diary *diary = *state;

    assert_int_equal(
        turn_end_init(&diary->turn_end, diary->loop, LOOP_DELIVERY, on_turn_end, diary), OK);
    diary->asks = 1;
    turn_end_ask(&diary->turn_end);
    assert_string_equal(diary->text, "");
    turn_until(diary, "EE");
    turn_end_ask(&diary->turn_end);
    turn_end_done(&diary->turn_end);
    loop_turn(diary->loop);
    assert_string_equal(diary->text, "EE");
}

/* ---- timers ---- */

static void
on_timer(void *arg)
{
    struct diary *diary = arg;

    diary->fired = clock_instant(&clock_system);
    note(diary, 'T');
}

static void
a_timer_fires_once_and_never_early(void **state)
{
    struct diary *diary = *state;

    assert_int_equal(timer_init(&diary->timer, diary->loop, LOOP_TIMERS, on_timer, diary), OK);
    for (int i = 1; i <= 20; i++) {
        struct instant at = instant_add_us(clock_instant(&clock_system), 100L * i);

        memset(diary->text, 0, sizeof(diary->text));
        timer_set(&diary->timer, at);
        turn_until(diary, "T");
        assert_true(diary->fired.us >= at.us);
    }
    loop_turn(diary->loop);
    assert_string_equal(diary->text, "T");
    timer_done(&diary->timer);
}

/* The turn grows old before the timer is set in it. */
static void
on_old_turn(struct letter *letter)
{
    struct note_letter *self = CONTAINER_OF(letter, struct note_letter, letter);
    struct instant start = clock_instant(&clock_system);
    struct instant now = start;

    while (now.us < start.us + 5000)
        now = clock_instant(&clock_system);
    timer_set(&self->diary->timer, instant_add_ms(now, 3));
}

static void
a_timer_set_late_in_a_turn_is_not_early_either(void **state)
{
    struct diary *diary = *state;
    struct note_letter letter = {{NULL, on_old_turn}, diary, 0};

    assert_int_equal(timer_init(&diary->timer, diary->loop, LOOP_TIMERS, on_timer, diary), OK);
    mailbox_post(loop_mailbox(diary->loop), &letter.letter);
    turn_until(diary, "T");
    assert_true(diary->fired.us >= diary->timer.at.us);
    timer_done(&diary->timer);
}

static void
a_timer_is_replaced_cleared_or_long_overdue(void **state)
{
    struct diary *diary = *state;
    struct instant now = clock_instant(&clock_system);

    assert_int_equal(timer_init(&diary->timer, diary->loop, LOOP_TIMERS, on_timer, diary), OK);
    timer_set(&diary->timer, (struct instant){0});
    timer_set(&diary->timer, instant_add_ms(now, 1000000));
    loop_turn(diary->loop);
    assert_string_equal(diary->text, "");
    timer_set(&diary->timer, (struct instant){0});
    timer_clear(&diary->timer);
    loop_turn(diary->loop);
    timer_set(&diary->timer, (struct instant){0});
    timer_set(&diary->timer, INSTANT_NEVER);
    loop_turn(diary->loop);
    assert_string_equal(diary->text, "");
    timer_set(&diary->timer, (struct instant){0});
    turn_until(diary, "T");
    timer_done(&diary->timer);
}

/* ---- watches ---- */

struct seer {
    struct diary *diary;
    struct watch watch;
    struct watch *stops; /* stopped when this one is called; NULL: none */
    char name;
};

/* In capitals: it can be written. */
static void
on_seen(void *arg, unsigned what)
{
    struct seer *seer = arg;

    if ((what & WATCH_READ) != 0)
        note(seer->diary, seer->name);
    if ((what & WATCH_WRITE) != 0)
        note(seer->diary, (char)(seer->name - 'a' + 'A'));
    if (seer->stops != NULL)
        watch_stop(seer->stops);
}

static void
seer_init(struct seer *seer, struct diary *diary, char name, enum loop_priority priority)
{
    *seer = (struct seer){.diary = diary, .name = name};
    assert_int_equal(watch_init(&seer->watch, diary->loop, priority, on_seen, seer), OK);
}

static void
a_watch_calls_back_as_long_as_its_descriptor_is_ready(void **state)
{
    struct diary *diary = *state;
    struct seer seer;
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    seer_init(&seer, diary, 'r', LOOP_DELIVERY);
    loop_turn(diary->loop);
    assert_int_equal(watch_start(&seer.watch, ends[0], WATCH_READ), OK);
    loop_turn(diary->loop);
    assert_string_equal(diary->text, "");
    assert_int_equal(write(ends[1], "x", 1), 1);
    loop_turn(diary->loop);
    loop_turn(diary->loop);
    assert_string_equal(diary->text, "rr");
    /* The end of the other side is something to read. */
    assert_int_equal(read(ends[0], &(char){0}, 1), 1);
    loop_turn(diary->loop);
    assert_string_equal(diary->text, "rr");
    (void)close(ends[1]);
    loop_turn(diary->loop);
    assert_string_equal(diary->text, "rrr");
    watch_stop(&seer.watch);
    watch_stop(&seer.watch);
    loop_turn(diary->loop);
    assert_string_equal(diary->text, "rrr");
    watch_done(&seer.watch);
    watch_done(&seer.watch);
    (void)close(ends[0]);
}

static void
a_watch_tells_reading_from_writing_and_may_change_both_and_its_descriptor(void **state)
{
    struct diary *diary = *state;
    struct seer seer;
    int fd = eventfd(0, EFD_CLOEXEC);
    int other = eventfd(1, EFD_CLOEXEC);

    assert_true(fd >= 0 && other >= 0);
    seer_init(&seer, diary, 'w', LOOP_DELIVERY);
    assert_int_equal(watch_start(&seer.watch, fd, WATCH_READ | WATCH_WRITE), OK);
    loop_turn(diary->loop);
    assert_string_equal(diary->text, "W");
    assert_int_equal(watch_start(&seer.watch, fd, WATCH_READ), OK);
    loop_turn(diary->loop);
    assert_string_equal(diary->text, "W");
    assert_int_equal(watch_start(&seer.watch, other, WATCH_READ | WATCH_WRITE), OK);
    loop_turn(diary->loop);
    assert_string_equal(diary->text, "WwW");
    assert_int_equal(watch_start(&seer.watch, other, WATCH_READ), OK);
    loop_turn(diary->loop);
    assert_string_equal(diary->text, "WwWw");
    watch_done(&seer.watch);
    loop_turn(diary->loop);
    assert_string_equal(diary->text, "WwWw");
    (void)close(fd);
    (void)close(other);
}

static void
watches_have_a_priority_and_one_that_is_stopped_in_the_turn_is_not_called(void **state)
{
    struct diary *diary = *state;
    int fd = eventfd(1, EFD_CLOEXEC);
    int other = dup(fd);
    struct seer low;
    struct seer high;

    assert_true(fd >= 0 && other >= 0);
    seer_init(&low, diary, 'l', LOOP_DELIVERY);
    seer_init(&high, diary, 'h', LOOP_SERVER);
    assert_int_equal(watch_start(&low.watch, fd, WATCH_READ), OK);
    assert_int_equal(watch_start(&high.watch, other, WATCH_READ), OK);
    high.stops = &high.watch;
    loop_turn(diary->loop);
    assert_string_equal(diary->text, "hl");
    memset(diary->text, 0, sizeof(diary->text));
    assert_int_equal(watch_start(&high.watch, other, WATCH_READ), OK);
    high.stops = &low.watch;
    loop_turn(diary->loop);
    assert_string_equal(diary->text, "h");
    loop_turn(diary->loop);
    assert_string_equal(diary->text, "hh");
    watch_done(&high.watch);
    watch_done(&low.watch);
    (void)close(fd);
    (void)close(other);
}

static void
what_cannot_be_watched_is_refused_and_the_watch_stays_usable(void **state)
{
    struct diary *diary = *state;
    FILE *file = tmpfile();
    int fd = eventfd(1, EFD_CLOEXEC);
    struct seer seer;

    assert_non_null(file);
    seer_init(&seer, diary, 'f', LOOP_DELIVERY);
    assert_int_equal(watch_start(&seer.watch, fileno(file), WATCH_READ), ERR_IO);
    assert_int_equal(seer.watch.fd, -1);
    assert_int_equal(watch_start(&seer.watch, -1, WATCH_READ), ERR_IO);
    loop_turn(diary->loop);
    assert_string_equal(diary->text, "");
    assert_int_equal(watch_start(&seer.watch, fd, WATCH_READ), OK);
    assert_int_equal(seer.watch.fd, fd);
    loop_turn(diary->loop);
    assert_string_equal(diary->text, "f");
    watch_done(&seer.watch);
    (void)close(fd);
    (void)fclose(file);
}

/* ---- other threads ---- */

static void
on_note(struct letter *letter)
{
    struct note_letter *self = CONTAINER_OF(letter, struct note_letter, letter);

    note(self->diary, self->what);
    /* A letter that is sent on must not be lost, nor keep the loop for itself. */
    if (self->what == 'c') {
        self->what = 'z';
        mailbox_post(loop_mailbox(self->diary->loop), letter);
    }
}

static void *
other_thread(void *arg)
{
    struct note_letter *letters = arg;

    for (int i = 0; i < 3; i++)
        mailbox_post(loop_mailbox(letters[i].diary->loop), &letters[i].letter);
    loop_stop(letters[0].diary->loop);
    loop_stop(letters[0].diary->loop);
    return NULL;
}

static void
letters_of_another_thread_arrive_in_order_and_it_may_stop_the_loop(void **state)
{
    struct diary *diary = *state;
    struct note_letter letters[3];
    pthread_t thread;

    for (int i = 0; i < 3; i++)
        letters[i] = (struct note_letter){{NULL, on_note}, diary, (char)('a' + i)};
    assert_int_equal(pthread_create(&thread, NULL, other_thread, letters), 0);
    loop_run(diary->loop);
    assert_int_equal(pthread_join(thread, NULL), 0);
    turn_until(diary, "abcz");
    /* Stopped once is not stopped for ever. */
    memset(diary->text, 0, sizeof(diary->text));
    letters[1].what = 'q';
    mailbox_post(loop_mailbox(diary->loop), &letters[1].letter);
    loop_stop(diary->loop);
    loop_run(diary->loop);
    assert_string_equal(diary->text, "q");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_ready_runs_by_priority_and_the_turn_ends_once,
            start, stop),
        cmocka_unit_test_setup_teardown(an_end_of_turn_may_be_asked_for_again_and_taken_back, start,
            stop),
        cmocka_unit_test_setup_teardown(a_timer_fires_once_and_never_early, start, stop),
        cmocka_unit_test_setup_teardown(a_timer_set_late_in_a_turn_is_not_early_either, start,
            stop),
        cmocka_unit_test_setup_teardown(a_timer_is_replaced_cleared_or_long_overdue, start, stop),
        cmocka_unit_test_setup_teardown(a_watch_calls_back_as_long_as_its_descriptor_is_ready,
            start, stop),
        cmocka_unit_test_setup_teardown(
            a_watch_tells_reading_from_writing_and_may_change_both_and_its_descriptor, start, stop),
        cmocka_unit_test_setup_teardown(
            watches_have_a_priority_and_one_that_is_stopped_in_the_turn_is_not_called, start, stop),
        cmocka_unit_test_setup_teardown(
            what_cannot_be_watched_is_refused_and_the_watch_stays_usable, start, stop),
        cmocka_unit_test_setup_teardown(
            letters_of_another_thread_arrive_in_order_and_it_may_stop_the_loop, start, stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
