/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Places calls through a SIP proxy at a steady rate: caller and callee in one program.
 *
 *   user_agents PROXY_PORT CALLEE_PORT COUNT RATE FIRST COLLECTOR [HEP_PORT ...]
 *
 * COUNT calls start at RATE per second, numbered from FIRST, whatever has become of those before
 * (open loop: a proxy that is slow is not waited for). Each is INVITE, 180, 200 after 10 ms, ACK,
 * BYE after 10 ms, 200, over UDP on the loopback; the proxy must record its route, and send what is
 * for 4010 to CALLEE_PORT.
 *
 * What passes the proxy is timed from just before it is sent to when the kernel has it for the
 * receiver (SO_TIMESTAMPNS): how soon this program then wakes up does not count.
 *
 * Meanwhile a process of the lowest priority (SCHED_IDLE) keeps the processor from going to sleep:
 * waking it up costs more than a proxy's work for a message, on a virtual machine above all.
 *
 * COLLECTOR says what becomes of the proxy's HEP packets at HEP_PORT: `read` counts them, `deaf`
 * has the ports open and never reads, `closed` does not open them.
 *
 * Prints one line of JSON: calls, completed, repeated (messages that came again), seconds, cpu_s (of
 * the processor, with that process), late_us (how late a call started, at worst), hep (packets read
 * at each port) and, in µs, p50, p99 and maximum of the time that INVITEs (invite) and all six
 * messages of a call (message) took.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../clock.h"
#include "sip.h"

#define BATCH 32
#define MAX_COLLECTORS 8
#define DELAY_NS 10000000
#define PATIENCE_NS 3000000000
#define BUFFER (4 << 20)

enum { INVITE, RINGING, ANSWER, ACK, BYE, BYE_ANSWER, STEPS };

struct call {
    uint64_t sent[STEPS], took[STEPS];
};

/* A message that is due DELAY_NS after the one that led to it, so the queue is in order. */
struct later {
    uint64_t due, number;
    int step;
    size_t size;
    char text[ROOM];
};

static struct call *calls;
static struct later *queue;
static uint64_t count, first, started, ended, completed, repeated, queued, taken, hep[MAX_COLLECTORS];
static struct ends ends;
static int caller, callee;

static void fail(const char *what)
{
    fprintf(stderr, "user_agents: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t); /* the clock of SO_TIMESTAMPNS */
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static int udp(unsigned port, unsigned peer, int stamped)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1, size = BUFFER, s = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);

    address.sin_port = htons((uint16_t)port);
    if (s < 0 || bind(s, (struct sockaddr *)&address, sizeof address) < 0)
        fail("bind");
    setsockopt(s, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    if (stamped && setsockopt(s, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof one) < 0)
        fail("SO_TIMESTAMPNS");
    address.sin_port = htons((uint16_t)peer);
    if (peer && connect(s, (struct sockaddr *)&address, sizeof address) < 0)
        fail("connect");
    return s;
}

static unsigned port_of(int s)
{
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    if (getsockname(s, (struct sockaddr *)&address, &size) < 0)
        fail("getsockname");
    return ntohs(address.sin_port);
}

static void transmit(uint64_t number, int step, const char *text, size_t size)
{
    int from_caller = step == INVITE || step == ACK || step == BYE;

    calls[number].sent[step] = now();
    if (send(from_caller ? caller : callee, text, size, 0) < 0 && errno != ECONNREFUSED)
        fail("send");
}

static void transmit_later(uint64_t number, int step, const char *text, size_t size)
{
    struct later *item = queue + queued++ % (2 * count);

    item->due = now() + DELAY_NS;
    item->number = number;
    item->step = step;
    item->size = size;
    memcpy(item->text, text, size);
}

/* Whether this is the first time that a step of a call is over. */
static int arrived(uint64_t number, int step, uint64_t at)
{
    struct call *call = calls + number;

    if (call->took[step]) {
        repeated++;
        return 0;
    }
    call->took[step] = at > call->sent[step] ? at - call->sent[step] : 1;
    return 1;
}

static void at_callee(uint64_t number, const char *text, uint64_t at)
{
    char answer[ROOM];

    if (!strncmp(text, "INVITE ", 7)) {
        if (arrived(number, INVITE, at)) {
            transmit(number, RINGING, answer, sip_response(answer, &ends, text, first + number, "180 Ringing"));
            transmit_later(number, ANSWER, answer, sip_response(answer, &ends, text, first + number, "200 OK"));
        }
    } else if (!strncmp(text, "ACK ", 4)) {
        arrived(number, ACK, at);
    } else if (!strncmp(text, "BYE ", 4) && arrived(number, BYE, at)) {
        transmit(number, BYE_ANSWER, answer, sip_response(answer, &ends, text, first + number, "200 OK"));
    }
}

static void at_caller(uint64_t number, const char *text, uint64_t at)
{
    char route[ROOM], message[ROOM];

    if (!strncmp(text, "SIP/2.0 100 ", 12))
        return;
    if (!strncmp(text, "SIP/2.0 180 ", 12)) {
        arrived(number, RINGING, at);
    } else if (strncmp(text, "SIP/2.0 200 ", 12)) {
        fprintf(stderr, "user_agents: %.*s\n", (int)strcspn(text, "\r\n"), text);
        ended++;
    } else if (strstr(text, "\r\nCSeq: 2 BYE\r\n")) {
        if (arrived(number, BYE_ANSWER, at)) {
            ended++;
            completed++;
        }
    } else if (arrived(number, ANSWER, at)) {
        /* One proxy, one Record-Route: its reversal is itself. */
        sip_lines(route, text, "Record-Route:");
        memmove(route, route + strlen("Record-"), strlen(route) + 1 - strlen("Record-"));
        transmit(number, ACK, message, sip_request(message, &ends, first + number, "ACK", 1, route));
        transmit_later(number, BYE, message, sip_request(message, &ends, first + number, "BYE", 2, route));
    }
}

static uint64_t stamp(struct msghdr *head)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(head); c; c = CMSG_NXTHDR(head, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
            struct timespec t;
            memcpy(&t, CMSG_DATA(c), sizeof t);
            return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
        }
    return now();
}

static void receive(int s, void (*handle)(uint64_t, const char *, uint64_t), uint64_t *counter)
{
    static char data[BATCH][ROOM], control[BATCH][256];
    struct mmsghdr message[BATCH];
    struct iovec part[BATCH];
    int n;

    memset(message, 0, sizeof message);
    for (int i = 0; i < BATCH; i++) {
        part[i] = (struct iovec){data[i], handle ? ROOM - 1 : 16};
        message[i].msg_hdr = (struct msghdr){.msg_iov = part + i,
                                             .msg_iovlen = 1,
                                             .msg_control = control[i],
                                             .msg_controllen = sizeof control[i]};
    }
    n = recvmmsg(s, message, BATCH, MSG_DONTWAIT, NULL);
    if (counter && n > 0)
        *counter += (uint64_t)n;
    for (int i = 0; handle && i < n; i++) {
        int64_t number;

        data[i][message[i].msg_len] = 0;
        number = sip_call(data[i]) - (int64_t)first;
        /* A late message of an earlier run is not of these. */
        if (number >= 0 && number < (int64_t)count)
            handle((uint64_t)number, data[i], stamp(&message[i].msg_hdr));
    }
}

static int ascending(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void print_times(const char *name, uint64_t *took, size_t n)
{
    qsort(took, n, sizeof *took, ascending);
    printf(", \"%s\": {\"p50\": %.1f, \"p99\": %.1f, \"max\": %.1f}", name,
           n ? (double)took[n / 2] / 1e3 : 0, n ? (double)took[n - n / 100 - 1] / 1e3 : 0,
           n ? (double)took[n - 1] / 1e3 : 0);
}

static pid_t stay_awake(void)
{
    struct sched_param none = {0};
    pid_t child = fork();
    FILE *group;

    if (child)
        return child;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    /* Sessions share the processor evenly (autogroup), whatever is in them: one of its own, and of
     * the lowest weight. A kernel without them has no such file. */
    setsid();
    group = fopen("/proc/self/autogroup", "w");
    if (group) {
        fputs("19", group);
        fclose(group);
    }
    if (sched_setscheduler(0, SCHED_IDLE, &none) < 0)
        fail("SCHED_IDLE");
    for (;;)
        __asm__ volatile("" ::: "memory");
}

int main(int argc, char **argv)
{
    struct pollfd ready[2 + MAX_COLLECTORS];
    unsigned collectors = argc > 7 ? (unsigned)(argc - 7) : 0, polled = 2;
    uint64_t begin, deadline, finished, late = 0, *took;
    size_t invites = 0, messages = 0;
    double rate;
    pid_t awake;

    if (argc < 7 || collectors > MAX_COLLECTORS) {
        fprintf(stderr, "usage: user_agents PROXY_PORT CALLEE_PORT COUNT RATE FIRST "
                        "read|deaf|closed [HEP_PORT ...]\n");
        return 2;
    }
    ends.proxy = (unsigned)atoi(argv[1]);
    ends.callee = (unsigned)atoi(argv[2]);
    count = strtoull(argv[3], NULL, 10);
    rate = atof(argv[4]);
    first = strtoull(argv[5], NULL, 10);
    calls = calloc(count, sizeof *calls);
    queue = calloc(2 * count, sizeof *queue);
    took = calloc(STEPS * count, sizeof *took);
    if (!calls || !queue || !took || rate <= 0)
        fail("arguments");
    caller = udp(0, ends.proxy, 1);
    callee = udp(ends.callee, ends.proxy, 1);
    ends.caller = port_of(caller);
    ready[0] = (struct pollfd){.fd = caller, .events = POLLIN};
    ready[1] = (struct pollfd){.fd = callee, .events = POLLIN};
    for (unsigned i = 0; i < collectors && strcmp(argv[6], "closed"); i++) {
        int s = udp((unsigned)atoi(argv[7 + i]), 0, 0);
        if (!strcmp(argv[6], "read"))
            ready[polled++] = (struct pollfd){.fd = s, .events = POLLIN};
    }

    awake = stay_awake();
    begin = now();
    deadline = begin + (uint64_t)((double)count / rate * 1e9) + PATIENCE_NS;
    while (ended < count && now() < deadline) {
        uint64_t at = now(), next = begin + (uint64_t)((double)started / rate * 1e9);
        struct timespec pause = {0, 0};
        char message[ROOM];

        if (started < count && next <= at) {
            late = at - next > late ? at - next : late;
            transmit(started, INVITE, message, sip_request(message, &ends, first + started, "INVITE", 1, ""));
            started++;
            next = begin + (uint64_t)((double)started / rate * 1e9);
        }
        for (; taken < queued && queue[taken % (2 * count)].due <= at; taken++) {
            const struct later *item = queue + taken % (2 * count);
            transmit(item->number, item->step, item->text, item->size);
        }
        if (started == count || (taken < queued && queue[taken % (2 * count)].due < next))
            next = taken < queued ? queue[taken % (2 * count)].due : deadline;
        at = now();
        pause.tv_sec = next > at ? (time_t)((next - at) / 1000000000) : 0;
        pause.tv_nsec = next > at ? (long)((next - at) % 1000000000) : 0;
        if (ppoll(ready, polled, &pause, NULL) <= 0)
            continue;
        if (ready[0].revents)
            receive(caller, at_caller, NULL);
        if (ready[1].revents)
            receive(callee, at_callee, NULL);
        for (unsigned i = 2; i < polled; i++)
            if (ready[i].revents)
                receive(ready[i].fd, NULL, hep + i - 2);
    }
    finished = now();
    /* The last HEP packets are sent after the last SIP message. */
    while (poll(ready + 2, polled - 2, 100) > 0)
        for (unsigned i = 2; i < polled; i++)
            receive(ready[i].fd, NULL, hep + i - 2);

    kill(awake, SIGKILL);
    waitpid(awake, NULL, 0);

    printf("{\"calls\": %llu, \"completed\": %llu, \"repeated\": %llu, \"seconds\": %.6f, "
           "\"cpu_s\": %.6f, \"late_us\": %.1f, \"hep\": [",
           (unsigned long long)count, (unsigned long long)completed, (unsigned long long)repeated,
           (double)(finished - begin) / 1e9, cpu_s(RUSAGE_SELF) + cpu_s(RUSAGE_CHILDREN), (double)late / 1e3);
    for (unsigned i = 0; i < collectors; i++)
        printf("%s%llu", i ? ", " : "", (unsigned long long)hep[i]);
    printf("]");
    for (uint64_t n = 0; n < count; n++)
        if (calls[n].took[INVITE])
            took[invites++] = calls[n].took[INVITE];
    print_times("invite", took, invites);
    for (uint64_t n = 0; n < count; n++)
        for (int step = 0; step < STEPS; step++)
            if (calls[n].took[step])
                took[messages++] = calls[n].took[step];
    print_times("message", took, messages);
    printf("}\n");
    return 0;
}
