/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Takes UDP datagrams one by one and throws them away: what receiving costs at the least.
 *
 *   receiver PORT BUFFER
 *
 * BUFFER is the receive buffer asked for, in bytes. Prints "ready", and after SIGTERM one line of
 * JSON: received, cpu_s (of the processor).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "clock.h"

#define LONGEST 65536

static void end(int number)
{
    (void)number; /* it only interrupts recv */
}

int main(int argc, char **argv)
{
    static char data[LONGEST];
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sigaction ending = {.sa_handler = end};
    unsigned long long received = 0;
    int buffer, from = socket(AF_INET, SOCK_DGRAM, 0);

    if (argc != 3) {
        fprintf(stderr, "usage: receiver PORT BUFFER\n");
        return 2;
    }
    at.sin_port = htons((uint16_t)atoi(argv[1]));
    buffer = atoi(argv[2]);
    if (setsockopt(from, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer) ||
        bind(from, (struct sockaddr *)&at, sizeof at) || sigaction(SIGTERM, &ending, NULL)) {
        perror("receiver");
        return 1;
    }
    puts("ready");
    fflush(stdout);
    while (recv(from, data, sizeof data, 0) >= 0)
        received++;
    if (errno != EINTR) {
        perror("receiver");
        return 1;
    }
    printf("{\"received\": %llu, \"cpu_s\": %.6f}\n", received, cpu_s(RUSAGE_SELF));
    return 0;
}
