/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One question of a buyer to the gateway: --url, --key and --ca, a bounded
 * answer within a bounded time. A refusal comes back as the gateway's own
 * code and sentence.
 */
#ifndef CLIENT_ASK_H
#define CLIENT_ASK_H

#include <jansson.h>

#include "base/text.h"
#include "client/command.h"

#define ASK_ANSWER_BYTES ((size_t)32 << 20)

/* `path` begins with "/v1"; body may be NULL (then it is a GET). The answer is
 * in the arena and is that of status 200. Fails INVALID_OPTION without a
 * gateway or a key, REFUSED with what the gateway says, UNAVAILABLE where
 * there is none. */
bool ask_gateway(const struct cli *c, const char *path, const json_t *body,
    struct text *answer, struct fault *f);

/* A refusal as the fault it is, with the gateway's code and sentence, if it
 * gives them; false. */
bool ask_refused(int status, struct text answer, struct fault *f);

/* The text made safe for a path's segment or a parameter (RFC 3986 2.1). */
const char *ask_escape(const struct cli *c, const char *text);

#endif
