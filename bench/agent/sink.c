/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Takes UDP datagrams as fast as they come and counts them.
 *
 *   sink PORT
 *
 * Prints "ready", and when its standard input ends, one line of JSON: datagrams, octets.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BATCH 64
#define LONGEST 65536
#define BUFFER (64 << 20)

int main(int argc, char **argv)
{
    static char data[BATCH][LONGEST];
    struct mmsghdr message[BATCH] = {0};
    struct iovec part[BATCH];
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    unsigned long long datagrams = 0, octets = 0;
    int buffer = BUFFER, from = socket(AF_INET, SOCK_DGRAM, 0);
    struct pollfd wait[2] = {{.fd = from, .events = POLLIN}, {.fd = 0, .events = POLLIN}};

    if (argc != 2) {
        fprintf(stderr, "usage: sink PORT\n");
        return 2;
    }
    at.sin_port = htons((uint16_t)atoi(argv[1]));
    if (setsockopt(from, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof buffer) ||
        bind(from, (struct sockaddr *)&at, sizeof at)) {
        perror("sink");
        return 1;
    }
    for (int i = 0; i < BATCH; i++) {
        part[i] = (struct iovec){data[i], LONGEST};
        message[i].msg_hdr.msg_iov = part + i;
        message[i].msg_hdr.msg_iovlen = 1;
    }
    puts("ready");
    fflush(stdout);
    for (;;) {
        int count = recvmmsg(from, message, BATCH, MSG_DONTWAIT, NULL);

        if (count > 0) {
            datagrams += (unsigned)count;
            for (int i = 0; i < count; i++)
                octets += message[i].msg_len;
            continue;
        }
        if (count < 0 && errno != EAGAIN && errno != EINTR) {
            perror("sink");
            return 1;
        }
        if (wait[1].revents)
            break;
        poll(wait, 2, -1);
    }
    printf("{\"datagrams\": %llu, \"octets\": %llu}\n", datagrams, octets);
    return 0;
}
