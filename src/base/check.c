/* SPDX-License-Identifier: Apache-2.0 */
#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

void
check_failed(const char *condition, const char *file, int line)
{
    (void)fprintf(stderr, "usher: bug: %s:%d: %s does not hold\n", file, line, condition);
    abort();
}
