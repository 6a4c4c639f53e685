/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/listen_forward.h"

#include "support/test.h"

static void
all_headers_are_passed_but_those_between_two_neighbours(void **state)
{
    static const char *const passed[] = {"webhook-id", "webhook-signature", "content-type",
        "user-agent", "authorization", "x-usher-event", "accept", "cookie", "connection-x"};
    static const char *const kept[] = {"Host", "content-length", "Transfer-Encoding", "connection",
        "keep-alive", "Expect", "upgrade", "te", "trailer", "Proxy-Authorization"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(passed); i++)
        assert_true(forwarder_passes(str_from(passed[i])));
    for (size_t i = 0; i < COUNT_OF(kept); i++)
        assert_false(forwarder_passes(str_from(kept[i])));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_headers_are_passed_but_those_between_two_neighbours),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
