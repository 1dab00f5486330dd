/* SPDX-License-Identifier: Apache-2.0 */
/*
 * assay-provider status for people: what the daemon wrote of itself, and what
 * the gateway says of its standing. Any JSON is printed, in one line for each
 * thing; what a member lacks is left blank.
 */
#ifndef PROVIDER_STATUS_PRINT_H
#define PROVIDER_STATUS_PRINT_H

#include <stdio.h>

#include "base/json.h"

void status_print(FILE *to, const json_t *status, bool running);
/* standing NULL: there is none, and why. */
void standing_print(FILE *to, const json_t *standing, const char *why);

#endif
