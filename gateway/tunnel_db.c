/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tunnels and fingerprints as rows: who is connected, and what each stated.
 */
#include "gateway/gateway_db_priv.h"

#include "base/codec.h"
#include "base/json.h"

struct pending *
gateway_db_open_tunnel(
    struct pg *pg, const struct tunnel_row *t, done_answer *fn, void *arg)
{
	struct ask *x = ask_done(fn, arg);
	const char *params[] = {t->id, t->did, pg_int(x->arena, t->slot),
	    t->instance, t->remote, t->serial, t->daemon, t->runtime_kind,
	    t->runtime_version, pg_int(x->arena, t->opened_at)};

	return ask_send(x, pg, OPEN_TUNNEL, params);
}

struct pending *
gateway_db_touch_tunnels(struct pg *pg, const char *const *ids, size_t count,
    done_answer *fn, void *arg)
{
	struct ask *x = ask_done(fn, arg);
	const char *params[] = {pg_array(x->arena, ids, count)};

	return ask_send(x, pg, TOUCH_TUNNELS, params);
}

static void
on_closed(void *arg, const struct pg_rows *rows, const struct fault *f)
{
	const struct log *log = arg;

	(void)rows;
	if (f != NULL)
		log_warn(log, "session_not_closed",
		    LOG_STR("code", fault_code(f->kind)),
		    LOG_STR("why", f->why));
}

void
gateway_db_close_tunnel(struct pg *pg, const char *id, const char *code,
    const char *reason, const struct log *log)
{
	const char *params[] = {id, code, reason};

	(void)pg_ask(
	    pg, CLOSE_TUNNEL, params, on_closed, (void *)(uintptr_t)log);
}

struct pending *
gateway_db_close_left(
    struct pg *pg, const char *instance, done_answer *fn, void *arg)
{
	const char *params[] = {instance};

	return ask_send(ask_done(fn, arg), pg, CLOSE_LEFT, params);
}

static const char *
files_json(struct arena *a, const struct statement_model *m)
{
	json_t *array = json_array();
	const char *text;

	for (size_t i = 0; i < m->file_count; i++) {
		char hex[HEX_SIZE(32)];

		hex_encode(bytes_of(m->files[i].sha256, 32), hex);
		json_array_append_new(array,
		    json_pack("{s:s, s:I, s:s}", "name", m->files[i].name,
			"size", (json_int_t)m->files[i].size, "sha256", hex));
	}
	text = json_write(a, array);
	json_free(&array);
	return text;
}

struct pending *
gateway_db_write_fingerprints(struct pg *pg, const char *did, int64_t slot,
    const char *session, const struct statement *s,
    const struct statement_verdict *verdicts, done_answer *fn, void *arg)
{
	enum { CANONICAL, ARTIFACT, REASON, QUANTIZATION, TASKS, FILES, COLS };
	struct ask *x = ask_done(fn, arg);
	const char *params[3 + COLS] = {did, pg_int(x->arena, slot), session};
	const char **column[COLS];

	for (int i = 0; i < COLS; i++)
		column[i] = arena_alloc(
		    x->arena, (s->model_count + 1) * sizeof(*column[i]));
	for (size_t i = 0; i < s->model_count; i++) {
		const struct statement_model *m = &s->models[i];
		const struct statement_verdict *v = &verdicts[i];

		column[CANONICAL][i] = m->canonical;
		column[ARTIFACT][i] =
		    v->artifact != NULL ? v->artifact->id : NULL;
		column[REASON][i] = v->reason == STATEMENT_ACCEPTED
					? NULL
					: statement_reason_name(v->reason);
		column[QUANTIZATION][i] = m->quantization;
		column[TASKS][i] = pg_array(x->arena, m->tasks, m->task_count);
		column[FILES][i] = files_json(x->arena, m);
	}
	for (int i = 0; i < COLS; i++)
		params[3 + i] = pg_array(x->arena, column[i], s->model_count);
	return ask_send(x, pg, WRITE_FINGERPRINTS, params);
}
