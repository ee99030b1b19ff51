/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * How the sender's packets reach the other side.
 */
#ifndef TRANSPORT_H
#define TRANSPORT_H

#include <netinet/in.h>
#include <stdint.h>
#include <sys/uio.h>

#define BATCH 32
#define MAX_PACKET 65507

/* Ends the program. */
void fail(const char *what);

/* PROTOCOL is udp, tcp, tls, ws or wss. Certificates are not checked. */
void transport_open(const char *protocol, const struct sockaddr_in *to, unsigned connections);

/* Sends at most BATCH packets, over one connection; returns how many the kernel refused. */
uint64_t transport_send(struct iovec *part, unsigned count);

/* Closes the connections and waits until the other side has read everything. */
void transport_close(void);

#endif
