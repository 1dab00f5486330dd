/* SPDX-License-Identifier: Apache-2.0 */
/* What libpq results mean to the three readers of base/pg.h; inside
 * base/pg*.c only. */
#ifndef BASE_PG_ROWS_H
#define BASE_PG_ROWS_H

#include "base/pg.h"

struct pg_result; /* libpq's PGresult */
struct pg_rows {
	struct pg_result *result;
};

/* True for a result that holds rows or a command's end; otherwise the fault
 * that its SQLSTATE means, told about `name`. */
bool pg_result_judge(
    const struct pg_result *r, const char *name, struct fault *f);

#endif
