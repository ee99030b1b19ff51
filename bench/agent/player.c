/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Sends the frames of a capture file on an interface, over and over, as fast as asked.
 *
 *   player INTERFACE FILE COUNT RATE
 *
 * COUNT frames are sent at RATE per second. FILE is a pcap file of this machine's byte order.
 * Frames leave by AF_PACKET and pass no queueing discipline: what the interface does not take is
 * given to it again, so that COUNT frames have been on the cable in the end.
 *
 * Prints one line of JSON: sent, again (frames that the interface did not take at once), seconds
 * (of the clock), cpu_s (of the processor; of a veth pair it has the kernel's work up to the
 * receiver's ring).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "../clock.h"

#define BATCH 64
#define FILE_HEADER 24
#define RECORD_HEADER 16

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

/* The frames of a file; returns how many. */
static size_t load(const char *name, struct iovec **frames)
{
    FILE *file = fopen(name, "rb");
    uint32_t header[RECORD_HEADER / 4];
    size_t count = 0, room = 0;

    if (!file || fseek(file, FILE_HEADER, SEEK_SET))
        fail(name);
    while (fread(header, RECORD_HEADER, 1, file) == 1) {
        if (count == room) {
            room = room ? 2 * room : 1024;
            *frames = realloc(*frames, room * sizeof **frames);
        }
        struct iovec *frame = *frames + count++;
        frame->iov_len = header[2];
        frame->iov_base = malloc(frame->iov_len);
        if (fread(frame->iov_base, frame->iov_len, 1, file) != 1)
            fail(name);
    }
    fclose(file);
    if (!count) {
        fprintf(stderr, "%s: no frames\n", name);
        exit(1);
    }
    return count;
}

static int open_interface(const char *name)
{
    struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(name)};
    int one = 1, to = socket(AF_PACKET, SOCK_RAW, 0);

    if (to < 0 || bind(to, (struct sockaddr *)&at, sizeof at) ||
        setsockopt(to, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof one))
        fail(name);
    return to;
}

int main(int argc, char **argv)
{
    struct mmsghdr message[BATCH] = {0};
    struct iovec *frames = NULL;
    uint64_t count, sent = 0, again = 0;
    double rate, started;
    size_t in_file;
    int to;

    if (argc != 5) {
        fprintf(stderr, "usage: player INTERFACE FILE COUNT RATE\n");
        return 2;
    }
    to = open_interface(argv[1]);
    in_file = load(argv[2], &frames);
    count = strtoull(argv[3], NULL, 10);
    rate = atof(argv[4]);
    started = clock_s();
    while (sent < count) {
        uint64_t due = (uint64_t)((clock_s() - started) * rate);
        unsigned ready;
        int done;

        if (due > count)
            due = count;
        if (due <= sent) {
            struct timespec pause = {0, 50000};
            nanosleep(&pause, NULL);
            continue;
        }
        ready = due - sent < BATCH ? (unsigned)(due - sent) : BATCH;
        for (unsigned i = 0; i < ready; i++) {
            message[i].msg_hdr.msg_iov = frames + (sent + i) % in_file;
            message[i].msg_hdr.msg_iovlen = 1;
        }
        done = sendmmsg(to, message, ready, 0);
        if (done < 0 && errno != ENOBUFS && errno != EAGAIN)
            fail("sendmmsg");
        again += done < (int)ready;
        sent += done > 0 ? (uint64_t)done : 0;
    }
    printf("{\"sent\": %llu, \"again\": %llu, \"seconds\": %.6f, \"cpu_s\": %.6f}\n",
           (unsigned long long)sent, (unsigned long long)again, clock_s() - started, cpu_s(RUSAGE_SELF));
    return 0;
}
