/* SPDX-License-Identifier: Apache-2.0 */
/* The only place that asks what time it is. Pure code takes `now`. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

/* A day as UTC counts them: there are no leap seconds in Unix time. */
#define DAY_MS INT64_C(86400000)

int64_t clock_unix_ms(void); /* CLOCK_REALTIME */
int64_t clock_mono_ms(
    void); /* CLOCK_MONOTONIC; only differences mean a thing */
int64_t clock_mono_us(void);
int64_t clock_thread_us(void); /* CPU time of this thread */

#endif
