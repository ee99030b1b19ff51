/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Sends HEP packets over UDP with exact counts and sequence numbers, as fast as asked.
 *
 *   sender ADDRESS PORT COUNT RATE TEMPLATES [FIRST]
 *
 * COUNT packets are sent at RATE per second (0: as fast as possible), numbered from FIRST (0).
 * TEMPLATES is a file of packets with places to fill in; bench/mix.py writes it:
 *
 *   u32 packets per unit, then per packet: u32 size, u32 offset of the HEP time chunk's seconds,
 *   u32 offset of its microseconds, u32 number of places, per place u32 offset and u32 kind,
 *   then the bytes. All numbers are little-endian. A place is 16 bytes wide:
 *     kind 0  the unit's number, scrambled, in hexadecimal: unique Call-IDs, tags
 *     kind 1  the packet's sequence number in decimal, zero-padded
 *
 * Prints one line of JSON: sent, errors, seconds, octets.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define BATCH 32
#define MAX_PACKET 65507

struct place {
    uint32_t offset, kind;
};

struct packet {
    uint32_t size, seconds, microseconds, places;
    struct place *place;
    unsigned char *data;
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static void fail(const char *what)
{
    fprintf(stderr, "sender: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void take(FILE *file, void *to, size_t size)
{
    if (fread(to, 1, size, file) != size)
        fail("templates");
}

/* Splitmix64: neighbouring numbers become unlike each other, and none collide. */
static uint64_t scramble(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static void fill(unsigned char *data, const struct packet *packet, uint64_t unit, uint64_t number)
{
    static const char hex[] = "0123456789abcdef";
    struct timespec t;
    uint64_t scrambled = scramble(unit);
    uint32_t value;

    memcpy(data, packet->data, packet->size);
    for (uint32_t i = 0; i < packet->places; i++) {
        unsigned char *to = data + packet->place[i].offset;
        if (packet->place[i].kind == 0) {
            for (int n = 0; n < 16; n++)
                to[n] = hex[(scrambled >> (60 - 4 * n)) & 15];
        } else {
            uint64_t left = number;
            for (int n = 15; n >= 0; n--, left /= 10)
                to[n] = '0' + left % 10;
        }
    }
    clock_gettime(CLOCK_REALTIME, &t);
    value = htonl((uint32_t)t.tv_sec);
    memcpy(data + packet->seconds, &value, 4);
    value = htonl((uint32_t)(t.tv_nsec / 1000));
    memcpy(data + packet->microseconds, &value, 4);
}

int main(int argc, char **argv)
{
    static unsigned char buffer[BATCH][MAX_PACKET];
    struct mmsghdr message[BATCH];
    struct iovec part[BATCH];
    struct sockaddr_in to = {.sin_family = AF_INET};
    uint64_t count, sent = 0, errors = 0, octets = 0, first;
    double rate, started;
    uint32_t per_unit;
    struct packet *packets;
    FILE *file;
    int out;

    if (argc < 6) {
        fprintf(stderr, "usage: sender ADDRESS PORT COUNT RATE TEMPLATES [FIRST]\n");
        return 2;
    }
    if (inet_pton(AF_INET, argv[1], &to.sin_addr) != 1)
        fail(argv[1]);
    to.sin_port = htons((uint16_t)atoi(argv[2]));
    count = strtoull(argv[3], NULL, 10);
    rate = atof(argv[4]);
    first = argc > 6 ? strtoull(argv[6], NULL, 10) : 0;

    file = fopen(argv[5], "rb");
    if (!file)
        fail(argv[5]);
    take(file, &per_unit, 4);
    packets = calloc(per_unit, sizeof *packets);
    for (uint32_t i = 0; i < per_unit; i++) {
        struct packet *p = packets + i;
        take(file, p, 16);
        if (p->size > MAX_PACKET) {
            errno = EMSGSIZE;
            fail("templates");
        }
        p->place = calloc(p->places, sizeof *p->place);
        take(file, p->place, p->places * sizeof *p->place);
        p->data = malloc(p->size);
        take(file, p->data, p->size);
    }
    fclose(file);

    out = socket(AF_INET, SOCK_DGRAM, 0);
    if (out < 0 || connect(out, (struct sockaddr *)&to, sizeof to) < 0)
        fail(argv[1]);
    memset(message, 0, sizeof message);
    for (int i = 0; i < BATCH; i++) {
        part[i].iov_base = buffer[i];
        message[i].msg_hdr.msg_iov = part + i;
        message[i].msg_hdr.msg_iovlen = 1;
    }

    started = now();
    while (sent < count) {
        uint64_t ready = count - sent;
        if (rate > 0) {
            uint64_t due = (uint64_t)((now() - started) * rate);
            if (due <= sent) {
                struct timespec pause = {0, 100000};
                nanosleep(&pause, NULL);
                continue;
            }
            if (due - sent < ready)
                ready = due - sent;
        }
        if (ready > BATCH)
            ready = BATCH;
        for (uint64_t i = 0; i < ready; i++) {
            uint64_t number = first + sent + i;
            const struct packet *p = packets + number % per_unit;
            fill(buffer[i], p, number / per_unit, number);
            part[i].iov_len = p->size;
        }
        for (uint64_t done = 0; done < ready;) {
            int n = sendmmsg(out, message + done, (unsigned)(ready - done), 0);
            if (n < 0) {
                if (errno == EINTR)
                    continue;
                /* Nobody listens (yet): the packet is gone, as it would be in a network. */
                errors++;
                n = 1;
            }
            for (int i = 0; i < n; i++)
                octets += part[done + i].iov_len;
            done += n;
        }
        sent += ready;
    }
    printf("{\"sent\": %llu, \"errors\": %llu, \"seconds\": %.6f, \"octets\": %llu}\n",
           (unsigned long long)sent, (unsigned long long)errors, now() - started,
           (unsigned long long)octets);
    return 0;
}
