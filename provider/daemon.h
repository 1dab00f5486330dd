/* SPDX-License-Identifier: Apache-2.0 */
/* assay-provider run: everything wired together, until a signal ends it. */
#ifndef PROVIDER_DAEMON_H
#define PROVIDER_DAEMON_H

#include "base/log.h"
#include "provider/settings.h"

/* Returns the exit status: 0 after a drain, 1 where it could not start. */
int daemon_run(const struct provider_settings *s, const struct log *log);

#endif
