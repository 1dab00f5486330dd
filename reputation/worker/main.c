/* SPDX-License-Identifier: Apache-2.0 */
/*
 * assay-reputation: a timer that ticks, and the operators' listener. Nothing
 * here decides anything, and nothing is kept: ending it at any moment is fine.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "base/worker.h"
#include "reputation/worker/admin.h"

#define PROGRAM "assay-reputation"
#define SUMMARY                                                                \
	"Turns outcomes and feedback into scores and tiers. One leads, by a "  \
	"lock in Postgres; others wait to take over."

struct reputation {
	struct reputation_settings settings;
	int64_t ahead_ms; /* of the clock; zero but in test builds */
	struct loop *loop;
	struct log log;
	struct ticker *ticker;
	struct timer *timer;
	struct admin *admin;
	bool was_up;
};

static int64_t
now_ms(const struct reputation *r)
{
	return clock_unix_ms() + r->ahead_ms;
}

static void
on_tick(void *arg)
{
	struct reputation *r = arg;
	struct fault f;
	bool ok = ticker_run(r->ticker, now_ms(r), &f);

	if (!ok && r->was_up)
		log_warn(&r->log, "tick_failed", LOG_STR("why", f.why));
	r->was_up = ok;
	timer_start(r->timer, ok && ticker_counts(r->ticker)->is_behind
				  ? 0
				  : r->settings.tick_every);
}

static void
on_drain(void *arg)
{
	struct reputation *r = arg;

	log_info(&r->log, "draining");
	loop_stop(r->loop);
}

static int
serve(unsigned number, void *arg)
{
	struct reputation *r = arg;
	struct fault f;
	int status = 0;

	(void)number;
	r->loop = loop_new();
	worker_signals(r->loop, on_drain, NULL, r);
	r->ticker = ticker_new(&r->settings, &r->log);
	r->timer = timer_new(r->loop, on_tick, r);
	r->was_up = true;
	if (admin_open(r->loop, r->settings.admin_listen, r->ticker, &r->log,
		&r->admin, &f)) {
		timer_start(r->timer, 0);
		log_info(&r->log, "ready");
		loop_run(r->loop);
		log_info(&r->log, "stopped");
	} else {
		log_error(&r->log, "start_failed", LOG_STR("why", f.why));
		status = WORKER_GIVE_UP;
	}
	admin_close(&r->admin);
	timer_free(&r->timer);
	ticker_free(&r->ticker);
	loop_free(&r->loop);
	return status;
}

static int
recompute(struct reputation *r)
{
	const struct ticker_counts *c;
	struct fault f;
	int status = 0;

	r->ticker = ticker_new(&r->settings, &r->log);
	c = ticker_counts(r->ticker);
	if (ticker_recompute(r->ticker, now_ms(r), &f)) {
		log_info(&r->log, "recomputed", LOG_INT("pairs", c->pairs),
		    LOG_INT("tier_changes", c->tier_changes));
	} else {
		fprintf(stderr, PROGRAM ": %s\n", f.why);
		status = 1;
	}
	ticker_free(&r->ticker);
	return status;
}

static bool
read_settings(struct reputation *r, int argc, char **argv, struct arena *a,
    struct fault *f)
{
	int64_t now = 0;

	if (!settings_load(reputation_settings_table, reputation_settings_count,
		PROGRAM, argc, argv, &r->settings, a, f))
		return false;
	if (r->settings.database_url == NULL)
		return fault_set(
		    f, FAULT_INVALID_OPTION, "database.url must be set");
	if (strcmp(r->settings.recompute_from, "log") != 0 &&
	    strcmp(r->settings.recompute_from, "minutes") != 0)
		return fault_set(f, FAULT_INVALID_OPTION,
		    "--recompute.from takes log or minutes");
	if (r->settings.now == NULL)
		return true;
	if (!time_of_rfc3339(text_of(r->settings.now), &now))
		return fault_set(
		    f, FAULT_INVALID_OPTION, "--now takes an RFC 3339 time");
	r->ahead_ms = now - clock_unix_ms();
	return true;
}

static int
run(struct reputation *r)
{
	struct worker_program p = {
	    .run = serve, .arg = r, .count = 1, .drain_ms = 30000};

	return r->settings.recompute ? recompute(r) : worker_run(&p, &r->log);
}

int
main(int argc, char **argv)
{
	struct reputation r = {0};
	struct arena *a;
	struct fault f;
	int status = 2;

	if (settings_answered(reputation_settings_table,
		reputation_settings_count, PROGRAM, SUMMARY, argc, argv))
		return 0;
	a = arena_new();
	if (read_settings(&r, argc, argv, a, &f)) {
		log_init(&r.log, PROGRAM, r.settings.log_level);
		status = run(&r);
	} else {
		fprintf(stderr, PROGRAM ": %s\n", f.why);
	}
	arena_free(&a);
	return status;
}
