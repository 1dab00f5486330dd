/* SPDX-License-Identifier: Apache-2.0 */
/* assay-reputation's settings: filled once by base/settings, then const. */
#ifndef REPUTATION_WORKER_SETTINGS_H
#define REPUTATION_WORKER_SETTINGS_H

#include "base/settings.h"

struct reputation_settings {
	const char *admin_listen;
	int64_t batch_pairs;
	int64_t batch_rows;
	int64_t close_grace;
	const char *database_url;
	enum log_level log_level;
	const char *now;
	int64_t partitions_ahead;
	bool recompute;
	const char *recompute_from;
	int64_t tick_every;
};

extern const struct setting reputation_settings_table[];
extern const size_t reputation_settings_count;

#endif
