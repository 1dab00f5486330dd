/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A call whose answer is gathered whole, within a size and a time: what
 * link_ask and fetch_ask have in common. It keeps the three promises of
 * base/loop.h.
 */
#ifndef BASE_ASK_H
#define BASE_ASK_H

#include "base/http.h"
#include "base/loop.h"

struct ask;
typedef void ask_answer(
    void *arg, const struct http_answer *answer, const struct fault *f);

/* The call is made with ask_events and the new struct ask as its arg … */
extern const struct http_events ask_events;
struct ask *ask_new(
    struct loop *l, size_t max, int64_t within_ms, ask_answer *fn, void *arg);
/* … and then told: the call, or NULL and why there is none. */
struct pending *ask_begin(
    struct ask *a, struct http_call *c, const struct fault *f);

#endif
