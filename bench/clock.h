/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Seconds of the clock and of the processor.
 */
#ifndef CLOCK_H
#define CLOCK_H

#include <sys/resource.h>
#include <time.h>

static inline double clock_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

/* WHO is RUSAGE_SELF or RUSAGE_CHILDREN. */
static inline double cpu_s(int who)
{
    struct rusage used;
    getrusage(who, &used);
    return used.ru_utime.tv_sec + used.ru_stime.tv_sec +
           (used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1e-6;
}

#endif
