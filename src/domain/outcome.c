/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/outcome.h"

enum outcome
outcome_of(bool has_answer, int status)
{
    if (!has_answer)
        return OUTCOME_RETRY;
    if (status >= 200 && status <= 299)
        return OUTCOME_ACCEPTED;
    return status == 410 ? OUTCOME_GONE : OUTCOME_RETRY;
}
