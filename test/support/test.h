/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmocka and the headers that it wants before it, in the order that it wants them.
 */
#ifndef TEST_SUPPORT_TEST_H
#define TEST_SUPPORT_TEST_H

/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
/* clang-format on */

#endif
