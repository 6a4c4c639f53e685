/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/outcome.h"

#include "base/check.h"

static const char *const names[] = {
    [OUTCOME_ACCEPTED] = "accepted",
    [OUTCOME_RETRY] = "retry",
    [OUTCOME_GONE] = "gone",
};

enum outcome
outcome_of(bool has_answer, int status)
{
    if (!has_answer)
        return OUTCOME_RETRY;
    if (status >= 200 && status <= 299)
        return OUTCOME_ACCEPTED;
    return status == 410 ? OUTCOME_GONE : OUTCOME_RETRY;
}

bool
outcome_slows(bool has_answer, int status)
{
    return has_answer && (status == 429 || status == 503);
}

const char *
outcome_name(enum outcome outcome)
{
    CHECK((unsigned)outcome < COUNT_OF(names));
    return names[outcome];
}

enum err
outcome_parse(struct str name, enum outcome *ret)
{
    for (unsigned i = 0; i < COUNT_OF(names); i++) {
        if (str_equals(name, str_from(names[i]))) {
            *ret = (enum outcome)i;
            return OK;
        }
    }
    return ERR_INVALID;
}
