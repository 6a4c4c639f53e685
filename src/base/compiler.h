/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compiler attributes and idioms, spelled so that a declaration reads as a sentence.
 *
 * CLEANUP(f) runs f(&variable) when the variable leaves its scope; TAKE(p) hands the value over
 * and leaves NULL behind, so that every early return is safe without a goto.
 */
#ifndef BASE_COMPILER_H
#define BASE_COMPILER_H

#define MUST_CHECK       __attribute__((warn_unused_result))
#define PRINTF(fmt, arg) __attribute__((format(printf, fmt, arg)))
#define CLEANUP(f)       __attribute__((cleanup(f)))
#define NORETURN         __attribute__((noreturn))

#define TAKE(ptr)                                                                                  \
    __extension__({                                                                                \
        __typeof__(ptr) take_value_ = (ptr);                                                       \
        (ptr) = NULL;                                                                              \
        take_value_;                                                                               \
    })

#define COUNT_OF(array)                 (sizeof(array) / sizeof((array)[0]))
#define BIT(n)                          (1U << (unsigned)(n))
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))
#define UNREACHABLE                     __builtin_unreachable()

#endif
