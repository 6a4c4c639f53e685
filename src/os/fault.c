/* SPDX-License-Identifier: Apache-2.0 */
#include "os/fault.h"

#ifdef USHER_FAULTS

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"

#define SITE_BYTES 64

/* A place that waits for its turn. */
struct arm {
    char site[SITE_BYTES]; /* empty: none */
    uint64_t left;         /* times until it happens; 0: it has */
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct arm fault; /* guarded by mutex */
static struct arm crash; /* guarded by mutex */

static void
arm_set(struct arm *arm, const char *site, uint64_t nth)
{
    int len;

    CHECK(nth > 0);
    CHECK(pthread_mutex_lock(&mutex) == 0);
    len = snprintf(arm->site, sizeof(arm->site), "%s", site);
    CHECK(len > 0 && (size_t)len < sizeof(arm->site));
    arm->left = nth;
    CHECK(pthread_mutex_unlock(&mutex) == 0);
}

/* Has the moment come? True once. */
static bool
arm_hit(struct arm *arm, const char *site)
{
    bool now = false;

    CHECK(pthread_mutex_lock(&mutex) == 0);
    if (arm->left > 0 && strcmp(arm->site, site) == 0)
        now = --arm->left == 0;
    CHECK(pthread_mutex_unlock(&mutex) == 0);
    return now;
}

void
fault_arm(const char *site, uint64_t nth)
{
    arm_set(&fault, site, nth);
}

bool
fault_fired(void)
{
    bool fired;

    CHECK(pthread_mutex_lock(&mutex) == 0);
    fired = fault.site[0] != '\0' && fault.left == 0;
    fault = (struct arm){0};
    CHECK(pthread_mutex_unlock(&mutex) == 0);
    return fired;
}

bool
fault_hit(const char *site)
{
    return arm_hit(&fault, site);
}

void
crash_arm(const char *site, uint64_t nth)
{
    arm_set(&crash, site, nth);
}

void
crash_hit(const char *site)
{
    /* As hard as a power cut: no handler, no flush, no clean-up. */
    if (arm_hit(&crash, site))
        (void)kill(getpid(), SIGKILL);
}

#endif
