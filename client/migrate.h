/* SPDX-License-Identifier: Apache-2.0 */
/* The numbered migrations, carried inside the program, oldest first. */
#ifndef CLIENT_MIGRATE_H
#define CLIENT_MIGRATE_H

#include <stddef.h>

struct migration {
	int version;
	const char *name; /* "0001_foundation" */
	const char *sql;
};
/* Written by the build from migrations/NNNN_noun.sql. */
extern const struct migration migrations[];
extern const size_t migration_count;

#endif
