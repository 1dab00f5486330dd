/* SPDX-License-Identifier: Apache-2.0 */
/* What a worker of assay-auth counts, declared once. */
#ifndef AUTH_SERVER_COUNTERS_H
#define AUTH_SERVER_COUNTERS_H

#include "base/fault.h"
#include "base/metrics.h"

struct counters {
	struct metrics *all;
	struct metric *minted;	     /* code: ok or a fault's */
	struct metric *mint_seconds; /* a mint request, from byte to answer */
	struct metric *enrolled;     /* code */
	struct metric *renewed;	     /* code */
	struct metric *keys_served;
	struct metric *spool_waiting; /* records not yet in Postgres */
	struct metric *spool_bytes;
	struct metric *postgres_up;
	struct metric *can_sign;
	struct metric *gateways; /* links of the mint listener */
};

struct counters *counters_new(void);
void counters_free(struct counters **c);
/* Counts the outcome: FAULT_NONE is "none". */
void counters_outcome(struct metric *m, enum fault_kind kind);

#endif
