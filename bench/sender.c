/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Sends HEP packets with exact counts and sequence numbers, as fast as asked.
 *
 *   sender PROTOCOL ADDRESS PORT COUNT RATE TEMPLATES [FIRST [CONNECTIONS]]
 *
 * PROTOCOL is udp, tcp, tls, ws or wss; the last four use CONNECTIONS (1) connections in turn.
 * COUNT packets are sent at RATE per second (0: as fast as possible), numbered from FIRST (0).
 * TEMPLATES is a file of packets with places to fill in; bench/mix.py writes it:
 *
 *   u32 packets per unit, u32 spread, then per packet: u32 size, u32 offset of the HEP time chunk's
 *   seconds, u32 offset of its microseconds, u32 number of places, per place u32 offset and u32
 *   kind, then the bytes. All numbers are little-endian. The kinds of places:
 *     kind 0  16 bytes: the unit's number, scrambled, in hexadecimal: unique Call-IDs, tags
 *     kind 1  16 bytes: the packet's sequence number in decimal, zero-padded
 *     kind 2  6 bytes: one of a million callers in decimal, chosen by the scrambled number
 *     kind 3  6 bytes: one of a million callees, the same way
 *
 * As on a real network, the messages of one call are spread in time and mixed with those of other
 * calls. Packet n uses template t = n mod P, P being the packets per unit, and belongs to unit
 *
 *   n / P + spread * (P - 1 - t)
 *
 * so two messages of a unit that follow each other are P * spread + 1 packets apart, and in the
 * order of the templates. Every packet number and every pair of unit and template occurs once.
 * The units under way when a run begins or ends are incomplete in it, as calls are; a run that
 * goes on with FIRST where the last one ended completes them.
 *
 * The HEP time is read just before the packet is handed to the kernel.
 * Prints one line of JSON: sent, errors, seconds (of the clock), octets, cpu_s (of the processor).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "transport.h"

#define SUBSCRIBERS 1000000

struct place {
    uint32_t offset, kind;
};

struct packet {
    uint32_t size, seconds, microseconds, places;
    struct place *place;
    unsigned char *data;
};

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

static void decimal(unsigned char *to, int width, uint64_t value)
{
    for (int n = width - 1; n >= 0; n--, value /= 10)
        to[n] = '0' + value % 10;
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
        switch (packet->place[i].kind) {
        case 0:
            for (int n = 0; n < 16; n++)
                to[n] = hex[(scrambled >> (60 - 4 * n)) & 15];
            break;
        case 1:
            decimal(to, 16, number);
            break;
        case 2:
            decimal(to, 6, (scrambled >> 32) % SUBSCRIBERS);
            break;
        default:
            decimal(to, 6, (scrambled & 0xffffffff) % SUBSCRIBERS);
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
    struct iovec part[BATCH];
    struct sockaddr_in to = {.sin_family = AF_INET};
    uint64_t count, sent = 0, errors = 0, octets = 0, first;
    double rate, started;
    uint32_t per_unit, spread;
    struct packet *packets;
    FILE *file;

    if (argc < 7) {
        fprintf(stderr, "usage: sender PROTOCOL ADDRESS PORT COUNT RATE TEMPLATES "
                        "[FIRST [CONNECTIONS]]\n");
        return 2;
    }
    if (inet_pton(AF_INET, argv[2], &to.sin_addr) != 1)
        fail(argv[2]);
    to.sin_port = htons((uint16_t)atoi(argv[3]));
    count = strtoull(argv[4], NULL, 10);
    rate = atof(argv[5]);
    first = argc > 7 ? strtoull(argv[7], NULL, 10) : 0;

    file = fopen(argv[6], "rb");
    if (!file)
        fail(argv[6]);
    take(file, &per_unit, 4);
    take(file, &spread, 4);
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

    transport_open(argv[1], &to, argc > 8 ? (unsigned)atoi(argv[8]) : 1);
    for (int i = 0; i < BATCH; i++)
        part[i].iov_base = buffer[i];

    started = clock_s();
    while (sent < count) {
        uint64_t ready = count - sent;
        if (rate > 0) {
            uint64_t due = (uint64_t)((clock_s() - started) * rate);
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
            uint64_t template = number % per_unit;
            uint64_t unit = number / per_unit + spread * (per_unit - 1 - template);
            const struct packet *p = packets + template;
            fill(buffer[i], p, unit, number);
            part[i].iov_len = p->size;
        }
        for (uint64_t i = 0; i < ready; i++)
            octets += part[i].iov_len;
        errors += transport_send(part, (unsigned)ready);
        sent += ready;
    }
    transport_close();
    printf("{\"sent\": %llu, \"errors\": %llu, \"seconds\": %.6f, \"octets\": %llu, "
           "\"cpu_s\": %.6f}\n",
           (unsigned long long)sent, (unsigned long long)errors, clock_s() - started,
           (unsigned long long)octets, cpu_s(RUSAGE_SELF));
    return 0;
}
