/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Places where a test makes a call fail, or kills the process, the n-th time it comes by.
 *
 * Sites have dotted names. In a build without the option `faults` both macros are nothing.
 */
#ifndef OS_FAULT_H
#define OS_FAULT_H

#include <stdbool.h>
#include <stdint.h>

#ifdef USHER_FAULTS
void fault_arm(const char *site, uint64_t nth); /* 1: the next time */
bool fault_fired(void);                         /* did the armed fault happen? clears the arm */
bool fault_hit(const char *site);
void crash_arm(const char *site, uint64_t nth); /* main does, when USHER_CRASH=site[:nth] is set */
void crash_hit(const char *site);               /* SIGKILL, when its turn has come */
#define FAULT(site) fault_hit(site)
#define CRASH(site) crash_hit(site)
#else
#define FAULT(site) false
#define CRASH(site) ((void)0)
#endif

#endif
