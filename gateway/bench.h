/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A buyer's report judged beside the loop: in a child process, which can do
 * nothing but judge and say what came of it. Whatever hostile evidence costs
 * or breaks there, requests go on here.
 */
#ifndef GATEWAY_BENCH_H
#define GATEWAY_BENCH_H

#include "base/loop.h"
#include "gateway/trial.h"

#define BENCH_MOST 4 /* at once in a worker */

/* OVERLOADED where as many are under way as may be. */
bool bench_has_room(unsigned count, struct fault *f);

/* In the child: nothing of the worker's is left open but the standard streams
 * and `keep`, and what it may use has bounds. */
void bench_confine(int keep);

/* *count is how many are under way, and kept here. The trial is borrowed for
 * this call. NULL and OVERLOADED or SYSTEM where it cannot be tried; otherwise
 * fn gets the verdict, which lives until it returns, or the fault. */
struct pending *bench_ask(struct loop *l, struct trial *t, unsigned *count,
    void (*fn)(void *arg, const char *json, const struct fault *f), void *arg,
    struct fault *f);

#endif
