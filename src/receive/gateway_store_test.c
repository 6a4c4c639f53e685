/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls on their way to disk: groups, duplicates, a store that fails or is silent, the quarantine.
 */
#include "os/metrics.h"
#include "receive/counters.h"
#include "receive/release.h"
#include "store/quarantine.h"
#include "support/gateway.h"

/* SHA-256 of "sesame" */
#define SESAME_HASH "d0c04f4b1951e4aeaaec8223ed2039e542f3aae805a6fa7f6d794e5afff5d272"

#define CALLERS 100

/* Long enough for what must not happen by then, short enough to wait for. */
#define SHORT_US (60 * US_PER_MS)

static const struct source_line lines[] = {
    {"open", "accept", "none"},
    {"token", "accept", "token"},
    {"token", "token-sha256", SESAME_HASH},
    {"lost", "accept", "token"},
    {"lost", "token-sha256", SESAME_HASH},
    {"lost", "quarantine", "no"},
};

static int
start(void **state)
{
    static struct test_gateway tg;

    gateway_start(&tg, (struct gateway_options){0});
    gateway_use(&tg, lines, COUNT_OF(lines), NULL);
    *state = &tg;
    return 0;
}

static int
stop(void **state)
{
    gateway_stop(*state);
    return 0;
}

static int64_t
counted(const char *source, enum call_result result)
{
    return counters_source(str_from(source))->calls[result];
}

/* Until so many are with the gateway. */
static void
wait_busy(struct test_gateway *tg, size_t count)
{
    while (gateway_busy(tg->gateway) != count)
        loop_turn(tg->serving.loop);
}

/* --- to the disk and back --------------------------------------------------------------------- */

static void
nobody_is_answered_before_it_is_on_disk(void **state)
{
    struct test_gateway *tg = *state;
    struct caller caller;

    caller_open(&caller, &tg->serving, 0);
    gate_shut(tg);
    gateway_send(&caller, "POST", "/in/open", "", "{\"a\":1}");
    caller_expect_silence(&caller);
    assert_int_equal(gateway_busy(tg->gateway), 1);
    assert_int_equal(metric_get(METRIC_inbox_waiting), 1);
    gate_open(tg);
    caller_expect(&caller, 200, "accepted");
    caller_close(&caller);
    assert_int_equal(gateway_busy(tg->gateway), 0);
    assert_int_equal(metric_get(METRIC_inbox_waiting), 0);
}

static void
the_same_again_is_a_duplicate_under_the_same_id(void **state)
{
    struct test_gateway *tg = *state;
    int64_t accepted = counted("open", CALL_ACCEPTED);
    int64_t duplicates = counted("open", CALL_DUPLICATE);
    int64_t pk;
    char id[ITEM_ID_BYTES];

    gateway_ask(tg, "/in/open", "", "{\"a\":1}", 200, "accepted");
    pk = gateway_number(tg, "SELECT inbox_pk FROM inbox");
    item_id_format(pk, id);
    gateway_ask(tg, "/in/open", "", "{\"a\":1}", 200, "{\"status\":\"duplicate\",\"id\":\"in_");
    gateway_ask(tg, "/in/open", "", "{\"a\":1}", 200, id);
    assert_int_equal(gateway_number(tg, "SELECT duplicates FROM inbox"), 2);
    assert_int_equal(counted("open", CALL_ACCEPTED), accepted + 1);
    assert_int_equal(counted("open", CALL_DUPLICATE), duplicates + 2);
}

static void
of_two_at_once_one_is_the_duplicate(void **state)
{
    struct test_gateway *tg = *state;
    struct caller first;
    struct caller second;

    caller_open(&first, &tg->serving, 0);
    caller_open(&second, &tg->serving, 0);
    gate_shut(tg);
    gateway_send(&first, "POST", "/in/open", "", "{\"a\":1}");
    gateway_send(&second, "POST", "/in/open", "", "{\"a\":1}");
    wait_busy(tg, 2);
    gate_open(tg);
    caller_expect(&first, 200, "accepted");
    caller_expect(&second, 200, "duplicate");
    caller_close(&first);
    caller_close(&second);
}

static void
many_share_a_transaction(void **state)
{
    struct test_gateway *tg = *state;
    static struct caller callers[CALLERS];
    int64_t writes = metric_get(METRIC_store_writes_total);

    for (int i = 0; i < CALLERS; i++)
        caller_open(&callers[i], &tg->serving, 0);
    gate_shut(tg);
    for (int i = 0; i < CALLERS; i++) {
        char body[32];

        (void)snprintf(body, sizeof(body), "{\"a\":%d}", i);
        gateway_send(&callers[i], "POST", "/in/open", "", body);
    }
    wait_busy(tg, CALLERS);
    gate_open(tg);
    for (int i = 0; i < CALLERS; i++) {
        caller_expect(&callers[i], 200, "accepted");
        caller_close(&callers[i]);
    }
    /* The gate's own, one that began while little had come, one behind it as soon as there were
     * many, and one with the rest. */
    assert_in_range(metric_get(METRIC_store_writes_total) - writes, 2, 4);
    assert_int_equal(gateway_number(tg, "SELECT count(*) FROM inbox"), CALLERS);
}

static void
who_goes_away_is_stored_all_the_same(void **state)
{
    struct test_gateway *tg = *state;
    int64_t accepted = counted("open", CALL_ACCEPTED);
    struct caller caller;

    caller_open(&caller, &tg->serving, 0);
    gate_shut(tg);
    gateway_send(&caller, "POST", "/in/open", "X-GitHub-Event: x\r\nwebhook-id: one\r\n",
        "{\"a\":1}");
    wait_busy(tg, 1);
    caller_reset(&caller);
    /* Another takes the place of what its head lay in. */
    caller_open(&caller, &tg->serving, 0);
    gateway_send(&caller, "POST", "/in/token", "webhook-id: another-one\r\n", "{\"bbbbbbb\":1}");
    caller_expect(&caller, 401, NULL);
    gate_open(tg);
    gateway_settle(tg);
    assert_int_equal(counted("open", CALL_ACCEPTED), accepted + 1);
    assert_int_equal(gateway_number(tg, "SELECT count(*) FROM inbox WHERE sender_id = 'one'"), 1);
    caller_close(&caller);
}

static void
who_goes_away_with_half_a_body_leaves_nothing(void **state)
{
    struct test_gateway *tg = *state;
    struct caller caller;

    caller_open(&caller, &tg->serving, 0);
    caller_send(&caller, "POST /in/open HTTP/1.1\r\n" HOST "Content-Length: 9\r\n\r\n{\"a\"");
    wait_busy(tg, 1);
    caller_reset(&caller);
    wait_busy(tg, 0);
    assert_int_equal(gateway_number(tg, "SELECT count(*) FROM inbox"), 0);
}

/* --- when the store fails --------------------------------------------------------------------- */

static void
a_store_that_fails_is_never_answered_200(void **state)
{
    struct test_gateway *tg = *state;
    int64_t busy = counted("open", CALL_BUSY);
    char break_it[] = "ALTER TABLE inbox RENAME TO gone";
    char mend_it[] = "ALTER TABLE gone RENAME TO inbox";

    gateway_execute(tg, break_it);
    for (int i = 0; i < 3; i++)
        assert_true(text_has(gateway_ask(tg, "/in/open", "", "{\"a\":1}", 503, "not be stored"),
            "\r\nRetry-After: 10\r\n"));
    assert_int_equal(counted("open", CALL_BUSY), busy + 3);
    gateway_execute(tg, mend_it);
    gateway_ask(tg, "/in/open", "", "{\"a\":1}", 200, "accepted");
}

static void
one_that_cannot_be_stored_takes_no_other_down(void **state)
{
    struct test_gateway *tg = *state;
    struct caller callers[5];
    char trap[] = "CREATE TRIGGER trap BEFORE INSERT ON inbox WHEN instr(NEW.body, 'poison') > 0 "
                  "BEGIN SELECT RAISE(ABORT, 'poison'); END";

    gateway_execute(tg, trap);
    for (int i = 0; i < 5; i++)
        caller_open(&callers[i], &tg->serving, 0);
    gate_shut(tg);
    for (int i = 0; i < 5; i++) {
        char body[64];

        (void)snprintf(body, sizeof(body), "{\"%s\":%d}", i == 4 ? "poison" : "a", i);
        gateway_send(&callers[i], "POST", "/in/open", "", body);
    }
    wait_busy(tg, 5);
    gate_open(tg);
    for (int i = 0; i < 4; i++)
        caller_expect(&callers[i], 200, "accepted");
    caller_expect(&callers[4], 503, NULL);
    for (int i = 0; i < 5; i++)
        caller_close(&callers[i]);
    assert_int_equal(gateway_number(tg, "SELECT count(*) FROM inbox"), 4);
}

static void
a_store_that_is_silent_is_given_up_in_time(void **state)
{
    struct test_gateway tg;
    struct caller caller;
    struct instant began = clock_instant(&clock_system);
    int64_t busy = counted("open", CALL_BUSY);
    int64_t accepted = counted("open", CALL_ACCEPTED);

    (void)state;
    gateway_start(&tg, (struct gateway_options){.silence_us = SHORT_US});
    gateway_use(&tg, lines, COUNT_OF(lines), NULL);
    caller_open(&caller, &tg.serving, 0);
    gate_shut(&tg);
    gateway_send(&caller, "POST", "/in/open", "", "{\"a\":1}");
    assert_true(text_has(caller_expect(&caller, 503, NULL), "\r\nRetry-After: 10\r\n"));
    assert_true(clock_instant(&clock_system).us - began.us >= SHORT_US);
    assert_int_equal(gateway_busy(tg.gateway), 1); /* it is still with the store */
    gate_open(&tg);
    gateway_settle(&tg);
    assert_int_equal(counted("open", CALL_BUSY), busy + 1);
    assert_int_equal(counted("open", CALL_ACCEPTED), accepted);
    /* It came to disk after all, so its sender's second try finds it there. */
    assert_int_equal(gateway_number(&tg, "SELECT count(*) FROM inbox"), 1);
    caller_close(&caller);
    gateway_stop(&tg);
}

static void
what_the_store_never_heard_of_is_forgotten_after_the_silence(void **state)
{
    struct test_gateway tg;
    struct caller callers[8];

    (void)state;
    gateway_start(&tg, (struct gateway_options){.silence_us = SHORT_US});
    gateway_use(&tg, lines, COUNT_OF(lines), NULL);
    for (int i = 0; i < 8; i++)
        caller_open(&callers[i], &tg.serving, 0);
    gate_shut(&tg);
    for (int i = 0; i < 8; i++) {
        char body[32];

        (void)snprintf(body, sizeof(body), "{\"a\":%d}", i);
        gateway_send(&callers[i], "POST", "/in/open", "", body);
    }
    for (int i = 0; i < 8; i++) {
        caller_expect(&callers[i], 503, NULL);
        caller_close(&callers[i]);
    }
    assert_in_range(gateway_busy(tg.gateway), 1, 7); /* those of the group under way */
    gate_open(&tg);
    gateway_settle(&tg);
    assert_in_range(gateway_number(&tg, "SELECT count(*) FROM inbox"), 1, 7);
    gateway_stop(&tg);
}

/* Others' calls up to the bound of the store's queue. */
static void
a_full_queue_of_the_store_is_waited_for(void **state)
{
    struct test_gateway *tg = *state;
    static struct gate fillers[80];
    struct caller caller;
    size_t count = 0;

    caller_open(&caller, &tg->serving, 0);
    gate_shut(tg);
    for (;;) {
        fillers[count].call = (struct store_call){.run = gate_run,
            .done = gate_done,
            .reply = loop_mailbox(tg->serving.loop),
            .writes = true};
        if (store_submit(&tg->port, &fillers[count].call) != OK)
            break;
        count++;
    }
    assert_in_range(count, 1, COUNT_OF(fillers) - 1);
    store_port_flush(&tg->port);
    gateway_send(&caller, "POST", "/in/open", "", "{\"a\":1}");
    caller_expect_silence(&caller);
    gate_open(tg);
    caller_expect(&caller, 200, "accepted");
    caller_close(&caller);
}

/* --- memory ----------------------------------------------------------------------------------- */

static void
calls_that_wait_take_bounded_memory(void **state)
{
    struct test_gateway tg;
    struct caller callers[3];
    static char body[40000];

    (void)state;
    gateway_start(&tg, (struct gateway_options){.memory_bytes_max = 180000});
    gateway_use(&tg, lines, COUNT_OF(lines), NULL);
    memset(body, ' ', sizeof(body) - 1);
    gate_shut(&tg);
    for (int i = 0; i < 3; i++) {
        body[0] = (char)('1' + i);
        caller_open(&callers[i], &tg.serving, 0);
        gateway_send(&callers[i], "POST", "/in/open", "", body);
        if (i < 2)
            wait_busy(&tg, (size_t)i + 1);
    }
    assert_true(text_has(caller_expect(&callers[2], 503, "busy"), "\r\nRetry-After: 1\r\n"));
    gate_open(&tg);
    for (int i = 0; i < 3; i++) {
        if (i < 2)
            caller_expect(&callers[i], 200, "accepted");
        caller_close(&callers[i]);
    }
    body[0] = '3';
    gateway_ask(&tg, "/in/open", "", body, 200, "accepted");
    gateway_stop(&tg);
}

static void
slow_bodies_do_not_keep_out_those_that_are_whole(void **state)
{
    struct test_gateway tg;
    struct caller slow[3];
    static char body[10001];

    (void)state;
    gateway_start(&tg, (struct gateway_options){.memory_bytes_max = 100000});
    gateway_use(&tg, lines, COUNT_OF(lines), NULL);
    memset(body, ' ', sizeof(body) - 1);
    for (int i = 0; i < 3; i++) {
        caller_open(&slow[i], &tg.serving, 0);
        caller_send(&slow[i], "POST /in/open HTTP/1.1\r\n" HOST "Content-Length: 20000\r\n\r\n");
        caller_send(&slow[i], body);
    }
    caller_expect(&slow[2], 503, "busy");
    gateway_ask(&tg, "/in/open", "", "{}", 200, "accepted");
    caller_reset(&slow[0]);
    wait_busy(&tg, 1);
    caller_close(&slow[2]);
    caller_open(&slow[2], &tg.serving, 0);
    caller_send(&slow[2], "POST /in/open HTTP/1.1\r\n" HOST "Content-Length: 20000\r\n\r\n");
    caller_send(&slow[2], body);
    caller_expect_silence(&slow[2]); /* there is room again */
    caller_reset(&slow[1]);
    caller_reset(&slow[2]);
    wait_busy(&tg, 0);
    gateway_stop(&tg);
}

/* --- the quarantine --------------------------------------------------------------------------- */

struct releasing {
    struct setup *setup;
    struct release_tally tally;
};

static enum err
release_run(struct engine *engine, void *arg, struct error *reterr)
{
    struct releasing *releasing = arg;
    const struct release_choice all = {0};
    int64_t at = 0;
    enum err err = OK;

    while (err == OK && at != INT64_MAX)
        err = release_step(engine, releasing->setup, &all, &at, &releasing->tally, reterr);
    return err;
}

static void
a_refused_call_is_kept_whole_and_let_in_once_all_is_mended(void **state)
{
    struct test_gateway *tg = *state;
    struct releasing releasing = {0};

    gateway_ask(tg, "/in/token/wrong", "X-GitHub-Event: push\r\nwebhook-id: a\r\n", "{\"a\":1}",
        401, NULL);
    gateway_ask(tg, "/in/lost/wrong", "", "{\"a\":1}", 401, NULL);
    gateway_ask(tg, "/in/other/sesame", "", "{\"a\":2}", 401, NULL);
    gateway_settle(tg);
    assert_int_equal(gateway_number(tg, "SELECT count(*) FROM quarantine"), 2);
    assert_int_equal(gateway_number(tg, "SELECT count(*) FROM quarantine WHERE peer = '127.0.0.1'"),
        2);

    releasing.setup = gateway_setup_new(tg,
        (const struct source_line[]){{"other", "accept", "token"},
            {"other", "token-sha256", SESAME_HASH}},
        2, NULL);
    clock_manual_advance(&tg->clock, US_PER_HOUR);
    gateway_on_engine(tg, release_run, &releasing);
    setup_drop(releasing.setup);
    assert_int_equal(releasing.tally.released, 1);
    assert_int_equal(releasing.tally.still_refused, 1);
    assert_int_equal(gateway_number(tg, "SELECT count(*) FROM quarantine"), 1);
    assert_int_equal(gateway_number(tg, "SELECT received_us FROM inbox"),
        tg->clock.walltime_now.us - US_PER_HOUR);
    assert_int_equal(gateway_number(tg, "SELECT flags & 8 FROM inbox"), ITEM_RELEASED);
}

static void
the_quarantine_is_not_written_in_front_of_calls(void **state)
{
    struct test_gateway *tg = *state;
    int64_t writes = metric_get(METRIC_store_writes_total);

    for (int i = 0; i < 20; i++)
        gateway_ask(tg, "/in/token", "", "{}", 401, NULL);
    assert_in_range(metric_get(METRIC_store_writes_total) - writes, 0, 19);
    gateway_settle(tg);
    assert_int_equal(gateway_number(tg, "SELECT count(*) FROM quarantine"), 20);
}

static void
one_peer_cannot_fill_the_way_to_the_quarantine(void **state)
{
    struct test_gateway *tg = *state;
    static char body[60000];
    int64_t dropped = metric_get(METRIC_quarantine_dropped_total);

    memset(body, ' ', sizeof(body) - 1);
    gate_shut(tg);
    for (int i = 0; i < 60; i++)
        gateway_ask(tg, "/in/token", "", body, 401, NULL);
    /* 2 MiB of these. */
    assert_int_equal(metric_get(METRIC_quarantine_dropped_total) - dropped, 60 - 34);
    gate_open(tg);
    gateway_settle(tg);
    assert_int_equal(gateway_number(tg, "SELECT count(*) FROM quarantine"), 34);
}

static void
without_room_nothing_is_kept(void **state)
{
    struct test_gateway tg;

    (void)state;
    gateway_start(&tg, (struct gateway_options){.quarantine_bytes_max = -1});
    gateway_use(&tg, lines, COUNT_OF(lines), NULL);
    gateway_ask(&tg, "/in/token", "", "{}", 401, NULL);
    assert_int_equal(gateway_busy(tg.gateway), 0);
    gateway_stop(&tg);
}

#define GATEWAY_TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        GATEWAY_TEST(nobody_is_answered_before_it_is_on_disk),
        GATEWAY_TEST(the_same_again_is_a_duplicate_under_the_same_id),
        GATEWAY_TEST(of_two_at_once_one_is_the_duplicate),
        GATEWAY_TEST(many_share_a_transaction),
        GATEWAY_TEST(who_goes_away_is_stored_all_the_same),
        GATEWAY_TEST(who_goes_away_with_half_a_body_leaves_nothing),
        GATEWAY_TEST(a_store_that_fails_is_never_answered_200),
        GATEWAY_TEST(one_that_cannot_be_stored_takes_no_other_down),
        cmocka_unit_test(a_store_that_is_silent_is_given_up_in_time),
        cmocka_unit_test(what_the_store_never_heard_of_is_forgotten_after_the_silence),
        GATEWAY_TEST(a_full_queue_of_the_store_is_waited_for),
        cmocka_unit_test(calls_that_wait_take_bounded_memory),
        cmocka_unit_test(slow_bodies_do_not_keep_out_those_that_are_whole),
        GATEWAY_TEST(a_refused_call_is_kept_whole_and_let_in_once_all_is_mended),
        GATEWAY_TEST(the_quarantine_is_not_written_in_front_of_calls),
        GATEWAY_TEST(one_peer_cannot_fill_the_way_to_the_quarantine),
        cmocka_unit_test(without_room_nothing_is_kept),
    };

    return cmocka_run_group_tests_name("gateway_store", tests, NULL, NULL);
}
