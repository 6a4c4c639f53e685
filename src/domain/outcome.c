/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/outcome.h"

#include <stddef.h>

#include "base/compiler.h"

/* The answers that mean something of their own. */
static const struct {
    int status;
    enum outcome outcome;
} special[] = {
    {410, OUTCOME_GONE},
    {429, OUTCOME_BUSY},
    {503, OUTCOME_OVERWHELMED},
};

enum outcome
outcome_of(bool has_answer, int status)
{
    if (!has_answer)
        return OUTCOME_RETRY;
    if (status >= 200 && status <= 299)
        return OUTCOME_ACCEPTED;
    for (size_t i = 0; i < COUNT_OF(special); i++)
        if (special[i].status == status)
            return special[i].outcome;
    return OUTCOME_RETRY;
}
