/* SPDX-License-Identifier: Apache-2.0 */
/* A gateway's answer to "how would you route this?", for people. */
#ifndef CLIENT_ROUTE_H
#define CLIENT_ROUTE_H

#include <stdio.h>

#include "base/json.h"

/* Who would serve, and why each other would not. Any JSON is printed, one
 * line a candidate, with the gateway's words escaped. */
void route_explain(FILE *to, const json_t *answer);

#endif
