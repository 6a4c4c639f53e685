/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tells the service manager how we are (sd_notify(3), spoken by hand: it is one datagram).
 */
#ifndef CLI_NOTIFY_H
#define CLI_NOTIFY_H

/* "READY=1", "STOPPING=1". Nothing where no manager listens; a failure is nobody's business. */
void notify_manager(const char *state);

#endif
