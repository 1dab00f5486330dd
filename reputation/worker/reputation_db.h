/* SPDX-License-Identifier: Apache-2.0 */
/*
 * assay-reputation's SQL: one table of named statements, each set-based and a
 * transaction of its own. Killed between any two of them, nothing is lost and
 * nothing counts twice: a statement either moves events into the evidence or
 * does not, and scoring is a function of the evidence that may be repeated.
 */
#ifndef REPUTATION_WORKER_REPUTATION_DB_H
#define REPUTATION_WORKER_REPUTATION_DB_H

#include "base/pg.h"

enum reputation_statement {
	DB_CLOCK,      /* -> Postgres's, Unix ms */
	DB_NOTICE_END, /* ours, while a statement runs */
	DB_LEAD,       /* $1 advisory lock -> whether we have it */
	DB_NEXT_DAY,   /* $1 today -> the day to close next */
	DB_FOLD,       /* $1 day, $2 rows -> rows folded */
	DB_FOLD_VERDICTS,
	DB_FOLD_AUDITS,
	DB_DUE,	       /* $1 day, $2 pairs, $3 after which, audits $4 since and
			* $5 until, Unix ms -> evidence */
	DB_UNCLOSED,   /* the same of pairs that are to be closed */
	DB_WRITE,      /* scorer_judge's $1 … $16 -> how many tiers changed */
	DB_IS_EXCUSED, /* $1 day -> whether */
	DB_NOTE_DOWNTIME,
	DB_EXCUSE_LATE, /* $1 day, $2 silver's line, $3 gold's */
	DB_WEIGH_BEGIN, /* $1 day */
	DB_WEIGH_READ,	/* $1 rows */
	DB_WEIGH_WRITE,
	DB_WEIGH_END,
	DB_LAPSE, /* $1 day; of raters silent for the era that it ends */
	DB_SPEED, /* $1 day */
	DB_CLOSED,
	DB_ALL_DUE,
	DB_PARTITIONS,	   /* $1 today, $2 days ahead -> table, day, whether old
			    * by Postgres's clock */
	DB_MAKE_PARTITION, /* $1 table, $2 day */
	DB_DROP_PARTITION,
	DB_FORGET,
	DB_PRUNE,   /* evidence; how many rows went */
	DB_REBUILD, /* $1 log or minutes, $2 its last day */
	DB_REBUILT, /* all that has evidence or a score is due */
	DB_STATEMENTS
};

extern const struct pg_statement reputation_statements[];
extern const size_t reputation_statement_count;

#endif
