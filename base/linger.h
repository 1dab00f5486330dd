/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last bytes of a connection whose owner has gone: what is in the output
 * still goes out, then this end says it is done (TLS close_notify, FIN) and
 * waits a little for the other, so that a reset does not overtake the bytes
 * that explain it.
 */
#ifndef BASE_LINGER_H
#define BASE_LINGER_H

#include <event2/bufferevent.h>

#include "base/loop.h"

/* Takes bev (made with BEV_OPT_CLOSE_ON_FREE). It is closed within within_ms,
 * or with the loop. */
void linger(struct loop *l, struct bufferevent *bev, int64_t within_ms);

#endif
