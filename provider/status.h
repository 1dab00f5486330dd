/* SPDX-License-Identifier: Apache-2.0 */
/*
 * assay-provider status: what the running daemon last wrote, and, where
 * gateway.url is set, how it stands with the gateway.
 */
#ifndef PROVIDER_STATUS_H
#define PROVIDER_STATUS_H

#include "provider/settings.h"

/* Returns 0 where the daemon runs with a tunnel up, else 1. json: one JSON
 * object, the daemon's own and the member "standing". */
int status_run(const struct provider_settings *s, bool json);

#endif
