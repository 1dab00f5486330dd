/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files are watched by their state (inode, size, times), the runtime by
 * asking it. Whatever no longer holds is out of the statement before the
 * next hello is answered.
 */
#include "provider/models.h"

#include <string.h>

#include "base/codec.h"

#define HEALTH_ANSWER_BYTES (1024 * 1024)
#define HEALTH_MS 5000
#define WAITERS_MAX 64

struct waiter {
	struct pending pending;
	struct models *models;
	void (*fn)(void *arg);
	void *arg;
};

struct models {
	struct models_settings s;
	struct loop *loop;
	struct log log;
	struct arena *arena;
	struct hasher *hasher;
	struct artifact_file **files; /* of all models, in order */
	struct file_state *states;    /* as they were when hashed */
	struct file_state *seen;      /* room for the hasher */
	size_t file_count;
	struct pending *hashing;
	struct pending *asking;
	struct pending *telling;
	struct timer *timer;
	struct waiter *waiters[WAITERS_MAX];
	size_t waiter_count;
	bool hashed; /* once at least */
	bool looked; /* at the runtime, once at least */
	bool up;
	uint64_t served; /* bit per model: what was last told */
};

static bool
model_is_hashed(const struct offer_model *model)
{
	for (size_t i = 0; i < model->artifact.count; i++)
		if (!model->artifact.files[i].hashed)
			return false;
	return true;
}

static bool
model_is_served(const struct models *m, const struct offer_model *model)
{
	return m->hashed && m->up && model_is_hashed(model);
}

static uint64_t
served_now(const struct models *m)
{
	uint64_t bits = 0;

	for (size_t i = 0; i < m->s.offer->model_count; i++)
		if (model_is_served(m, &m->s.offer->models[i]))
			bits |= 1ULL << i;
	return bits;
}

static void
tell_if_changed(struct models *m, bool rehashed)
{
	uint64_t now = served_now(m);

	if (!m->hashed || !m->looked || (now == m->served && !rehashed))
		return;
	m->served = now;
	log_info(&m->log, "models", LOG_INT("served", models_count(m)),
	    LOG_INT("offered", m->s.offer->model_count),
	    LOG_STR("runtime", m->up ? "up" : "down"));
	m->s.on_change(m->s.arg);
}

/* ----------------------------------------------------------------- hashing */

static void
answer_waiters(struct models *m)
{
	/* Those that ask from inside an answer wait for the next round. */
	size_t count = m->waiter_count;
	struct waiter *now[WAITERS_MAX];

	memcpy(now, m->waiters, count * sizeof *now);
	m->waiter_count = 0;
	for (size_t i = 0; i < count; i++) {
		struct waiter w = *now[i];

		if (w.fn != NULL)
			w.fn(w.arg);
		mem_free(now[i]);
	}
}

static void
on_hashed(void *arg)
{
	struct models *m = arg;
	bool changed = false;

	m->hashing = NULL;
	for (size_t i = 0; i < m->file_count; i++) {
		if (m->files[i]->path == NULL)
			continue;
		changed |=
		    m->hashed && !file_state_equal(&m->states[i], &m->seen[i]);
		m->states[i] = m->seen[i];
		if (!m->files[i]->hashed)
			log_error(&m->log, "model_file_unreadable",
			    LOG_STR("path", m->files[i]->path));
	}
	m->hashed = true;
	tell_if_changed(m, changed);
	answer_waiters(m);
}

static void
hash(struct models *m)
{
	if (m->hashing == NULL)
		m->hashing = hasher_ask(
		    m->hasher, m->files, m->seen, m->file_count, on_hashed, m);
}

static bool
files_have_changed(struct models *m)
{
	struct file_state now;

	for (size_t i = 0; i < m->file_count; i++) {
		if (m->files[i]->path == NULL)
			continue;
		file_state_read(m->files[i]->path, &now);
		if (!file_state_equal(&now, &m->states[i]))
			return true;
	}
	return false;
}

static void
on_unchanged(void *arg)
{
	struct models *m = arg;

	m->telling = NULL;
	answer_waiters(m);
}

static void
waiter_cancel(struct pending *self)
{
	((struct waiter *)self)->fn = NULL; /* freed when its round comes */
}

struct pending *
models_recheck(struct models *m, void (*fn)(void *arg), void *arg)
{
	struct waiter *w;

	if (m->waiter_count == WAITERS_MAX)
		return NULL;
	w = mem_new(sizeof *w);
	w->pending.cancel = waiter_cancel;
	w->models = m;
	w->fn = fn;
	w->arg = arg;
	m->waiters[m->waiter_count++] = w;
	if (m->hashing == NULL && (!m->hashed || files_have_changed(m)))
		hash(m);
	else if (m->hashing == NULL && m->telling == NULL)
		m->telling = loop_defer(m->loop, on_unchanged, m);
	return &w->pending;
}

/* ------------------------------------------------------------------ health */

static void
on_health(void *arg, const struct http_answer *answer, const struct fault *f)
{
	struct models *m = arg;
	bool up = f == NULL && answer->status < 500;

	m->asking = NULL;
	if (m->looked && m->up && !up)
		log_warn(&m->log, "runtime_down",
		    LOG_STR("url", m->s.offer->runtime_url),
		    LOG_STR("why", f != NULL ? f->why : "it answers 5xx"));
	m->up = up;
	m->looked = true;
	tell_if_changed(m, false);
}

static void
look(void *arg)
{
	struct models *m = arg;
	struct http_outgoing o = {.method = "GET"};
	struct arena *a;

	if (m->hashed && m->hashing == NULL && files_have_changed(m))
		hash(m);
	if (m->asking != NULL)
		return;
	a = arena_new();
	o.path = arena_printf(a, "%s/v1/models", m->s.offer->runtime_url);
	if (m->s.authorization != NULL)
		http_fields_add(
		    &o.fields, a, "authorization", m->s.authorization);
	m->asking = fetch_ask(
	    m->s.fetch, &o, HEALTH_ANSWER_BYTES, HEALTH_MS, on_health, m);
	arena_free(&a);
}

/* -------------------------------------------------------------------- life */

static void
collect_files(struct models *m)
{
	const struct offer *offer = m->s.offer;
	size_t n = 0;

	for (size_t i = 0; i < offer->model_count; i++)
		n += offer->models[i].artifact.count;
	m->files = arena_alloc(m->arena, (n + 1) * sizeof *m->files);
	m->states = arena_alloc(m->arena, (n + 1) * sizeof *m->states);
	m->seen = arena_alloc(m->arena, (n + 1) * sizeof *m->seen);
	for (size_t i = 0; i < offer->model_count; i++)
		for (size_t k = 0; k < offer->models[i].artifact.count; k++)
			m->files[m->file_count++] =
			    &offer->models[i].artifact.files[k];
}

struct models *
models_new(
    struct loop *l, const struct models_settings *s, const struct log *log)
{
	struct models *m = mem_new(sizeof *m);

	m->s = *s;
	m->loop = l;
	m->log = *log;
	m->arena = arena_new();
	m->hasher = hasher_new(l, s->state_folder, log);
	collect_files(m);
	m->timer = timer_new(l, look, m);
	timer_every(m->timer, s->health_ms);
	hash(m);
	look(m);
	return m;
}

void
models_free(struct models **mp)
{
	struct models *m = *mp;

	if (m == NULL)
		return;
	pending_cancel(&m->hashing);
	pending_cancel(&m->asking);
	pending_cancel(&m->telling);
	for (size_t i = 0; i < m->waiter_count; i++)
		mem_free(m->waiters[i]);
	timer_free(&m->timer);
	hasher_free(&m->hasher);
	arena_free(&m->arena);
	mem_free(m);
	*mp = NULL;
}

bool
models_are_ready(const struct models *m)
{
	return m->hashed && m->looked;
}

bool
models_runtime_is_up(const struct models *m)
{
	return m->up;
}

const struct offer_model *
models_find(const struct models *m, const char *task, const char *canonical)
{
	const struct offer_model *model =
	    offer_find(m->s.offer, task, canonical);

	return model != NULL && model_is_served(m, model) ? model : NULL;
}

size_t
models_count(const struct models *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->s.offer->model_count; i++)
		n += model_is_served(m, &m->s.offer->models[i]);
	return n;
}

/* -------------------------------------------------------------------- JSON */

json_t *
models_runtime_json(const struct models *m)
{
	return json_pack("{s:s, s:s}", "kind",
	    runtime_kind_name(m->s.offer->runtime), "version",
	    m->s.offer->runtime_version);
}

static json_t *
tasks_json(const struct offer_model *model)
{
	json_t *list = json_array();

	for (size_t i = 0; i < model->task_count; i++)
		json_array_append_new(list, json_string(model->tasks[i]));
	return list;
}

static json_t *
model_json(const struct offer_model *model)
{
	json_t *files = json_array();
	char hex[HEX_SIZE(32)];
	json_t *o;

	for (size_t i = 0; i < model->artifact.count; i++) {
		const struct artifact_file *file = &model->artifact.files[i];

		hex_encode(bytes_of(file->sha256, 32), hex);
		json_array_append_new(
		    files, json_pack("{s:s, s:I, s:s}", "name", file->name,
			       "size", (json_int_t)file->size, "sha256", hex));
	}
	o = json_pack("{s:s, s:o, s:o, s:s}", "canonical", model->canonical,
	    "tasks", tasks_json(model), "files", files, "quantization",
	    model->quantization);
	if (model->context_length > 0)
		json_object_set_new(
		    o, "context_length", json_integer(model->context_length));
	return o;
}

json_t *
models_json(const struct models *m)
{
	json_t *list = json_array();

	for (size_t i = 0; i < m->s.offer->model_count; i++)
		if (model_is_served(m, &m->s.offer->models[i]))
			json_array_append_new(
			    list, model_json(&m->s.offer->models[i]));
	return list;
}

json_t *
models_report(const struct models *m)
{
	json_t *list = json_array();

	for (size_t i = 0; i < m->s.offer->model_count; i++) {
		const struct offer_model *model = &m->s.offer->models[i];
		bool hashed = model_is_hashed(model);
		const char *why = !m->hashed || (!hashed && m->hashing != NULL)
				      ? "hashing"
				  : !hashed ? "file_unreadable"
				  : !m->up  ? "runtime_down"
					    : NULL;

		json_array_append_new(
		    list, json_pack("{s:s, s:o, s:s, s:b, s:s?}", "canonical",
			      model->canonical, "tasks", tasks_json(model),
			      "quantization", model->quantization, "served",
			      why == NULL, "why", why));
	}
	return list;
}
