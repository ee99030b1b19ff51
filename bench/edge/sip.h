/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The SIP messages of one caller and one callee behind a proxy (RFC 3261).
 */
#ifndef SIP_H
#define SIP_H

#include <stddef.h>
#include <stdint.h>

/* Of every buffer that a message is written to. */
#define ROOM 4096

/* UDP ports on the loopback. */
struct ends {
    unsigned proxy, caller, callee;
};

/* A request of the caller, in a dialog unless it is an INVITE; ROUTE is empty or header lines. */
size_t sip_request(char *to, const struct ends *ends, uint64_t call, const char *method, int cseq,
                   const char *route);

/* What the callee answers to REQUEST; STATUS is number and reason. */
size_t sip_response(char *to, const struct ends *ends, const char *request, uint64_t call,
                    const char *status);

/* Copies the header lines of TEXT that begin with NAME. */
size_t sip_lines(char *to, const char *text, const char *name);

/* The number of the call that TEXT belongs to; -1 for none. */
int64_t sip_call(const char *text);

#endif
