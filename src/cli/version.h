/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program's version, as meson.build states it.
 */
#ifndef CLI_VERSION_H
#define CLI_VERSION_H

#ifndef USHER_VERSION
#error "the build defines USHER_VERSION"
#endif

#endif
