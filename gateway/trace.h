/* SPDX-License-Identifier: Apache-2.0 */
/* W3C Trace Context: the one field that we read and pass on. Pure. */
#ifndef GATEWAY_TRACE_H
#define GATEWAY_TRACE_H

#include <stdint.h>

#define TRACEPARENT 56 /* 55 characters and a NUL */

/* The traceparent to send on: of the buyer's trace where theirs is well
 * formed (section 3.2), else of a new one; random makes the new ids. */
void trace_next(
    const char *from, const uint8_t random[24], char out[TRACEPARENT]);

#endif
