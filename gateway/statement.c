/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See statement.h. First the document is read, member by member and bounded;
 * then each model is held against the catalog. Nothing is believed that the
 * hashes do not say.
 */
#include "gateway/statement.h"

#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/crypto.h"
#include "base/json.h"

enum { NAME_MAX_LEN = 200, FILE_SIZE_MAX_LOG2 = 50, MANY = 1000000000 };

const char *
statement_reason_name(enum statement_reason r)
{
	static const char *const names[STATEMENT_REASON_COUNT] = {"accepted",
#define X(name, code) code,
	    STATEMENT_REASONS(X)
#undef X
	};

	return names[r];
}

/* ---------------------------------------------------------------- reading */

struct reader {
	struct arena *arena;
	struct statement *out;
	struct fault *fault;
};

static bool
bad(const struct reader *r, const char *what)
{
	return fault_set(r->fault, FAULT_INVALID, "statement: %s", what);
}

/* Hostile text that will stand in logs and rows: printable ASCII only. */
static bool
is_plain(const char *s)
{
	for (; *s != '\0'; s++) {
		if (*s < 0x20 || *s > 0x7e)
			return false;
	}
	return true;
}

static bool
read_plain(const struct reader *r, const json_t *o, const char *name,
    const char *otherwise, const char **out)
{
	const char *s;

	if (!json_get_string_or(
		o, name, NAME_MAX_LEN, otherwise, &s, FAULT_INVALID, r->fault))
		return false;
	if (s != NULL && !is_plain(s))
		return bad(r, "text that is not printable ASCII");
	*out = arena_string(r->arena, s);
	return true;
}

static bool
read_runtime(const struct reader *r, const json_t *j)
{
	const json_t *runtime;
	const char *kind;

	if (!json_get_object(j, "runtime", &runtime, FAULT_INVALID, r->fault) ||
	    !json_get_string(
		runtime, "kind", NAME_MAX_LEN, &kind, FAULT_INVALID, r->fault))
		return false;
	if (!runtime_of(text_of(kind), &r->out->runtime))
		return fault_set(r->fault, FAULT_UNSUPPORTED,
		    "statement: runtime kind %.60s is not known", kind);
	return read_plain(r, runtime, "version", "", &r->out->runtime_version);
}

static bool
read_hash(
    const struct reader *r, const json_t *o, const char *name, uint8_t out[32])
{
	const char *hex;
	size_t written;

	if (!json_get_string(o, name, 64, &hex, FAULT_INVALID, r->fault))
		return false;
	if (!hex_decode(text_of(hex), out, 32, &written) || written != 32)
		return bad(r, "sha256 that is not 64 hex digits");
	return true;
}

static bool
read_file(const struct reader *r, const json_t *o, struct statement_file *out)
{
	const char *name;

	if (!json_is_object(o))
		return bad(r, "file that is not an object");
	if (!json_get_string(o, "name", sizeof(out->name) - 1, &name,
		FAULT_INVALID, r->fault) ||
	    !json_get_int(o, "size", 0, INT64_C(1) << FILE_SIZE_MAX_LOG2,
		&out->size, FAULT_INVALID, r->fault) ||
	    !read_hash(r, o, "sha256", out->sha256))
		return false;
	text_escape(text_of(name), out->name, sizeof(out->name));
	return true;
}

static int
by_hash(const void *a, const void *b)
{
	return memcmp(a, b, 32);
}

static bool
read_files(const struct reader *r, const json_t *o, struct statement_model *m)
{
	struct statement_file *files;
	uint8_t(*hashes)[32];
	const json_t *array;

	if (!json_get_array(
		o, "files", STATEMENT_FILES, &array, FAULT_INVALID, r->fault))
		return false;
	m->file_count = json_array_size(array);
	files = arena_alloc(r->arena, (m->file_count + 1) * sizeof(*files));
	hashes = arena_alloc(r->arena, (m->file_count + 1) * 32);
	for (size_t i = 0; i < m->file_count; i++) {
		if (!read_file(r, json_array_get(array, i), &files[i]))
			return false;
		memcpy(hashes[i], files[i].sha256, 32);
	}
	qsort(hashes, m->file_count, 32, by_hash);
	m->files = files;
	m->hashes = (const void *)hashes;
	return true;
}

static bool
read_tasks(const struct reader *r, const json_t *o, struct statement_model *m)
{
	const json_t *array;

	if (!json_get_array(
		o, "tasks", STATEMENT_TASKS, &array, FAULT_INVALID, r->fault))
		return false;
	m->task_count = json_array_size(array);
	for (size_t i = 0; i < m->task_count; i++) {
		const char *s = json_string_value(json_array_get(array, i));

		if (s == NULL || strlen(s) >= TASK_SIZE || !is_plain(s))
			return bad(r, "task that is no task's name");
		m->tasks[i] = arena_string(r->arena, s);
	}
	return true;
}

static bool
read_model(const struct reader *r, const json_t *o, struct statement_model *m)
{
	if (!json_is_object(o))
		return bad(r, "model that is not an object");
	if (!read_plain(r, o, "canonical", NULL, &m->canonical))
		return false;
	if (m->canonical == NULL || m->canonical[0] == '\0')
		return bad(r, "model without its canonical id");
	if (!read_plain(r, o, "quantization", "", &m->quantization))
		return false;
	if (strlen(m->quantization) > 40)
		return bad(r, "quantization of more than 40 characters");
	return read_tasks(r, o, m) && read_files(r, o, m) &&
	       json_get_int_or(o, "context_length", 0, MANY, 0,
		   &m->context_length, FAULT_INVALID, r->fault);
}

static bool
read_models(const struct reader *r, const json_t *j)
{
	struct statement_model *models;
	const json_t *array;

	if (!json_get_array(
		j, "models", STATEMENT_MODELS, &array, FAULT_INVALID, r->fault))
		return false;
	r->out->model_count = json_array_size(array);
	models =
	    arena_alloc(r->arena, (r->out->model_count + 1) * sizeof(*models));
	for (size_t i = 0; i < r->out->model_count; i++) {
		if (!read_model(r, json_array_get(array, i), &models[i]))
			return false;
	}
	r->out->models = models;
	return true;
}

static bool
read_controls(const struct reader *r, const json_t *j)
{
	const json_t *controls, *windows;

	r->out->max_concurrency = 0;
	if (!json_get_object_or(
		j, "controls", &controls, FAULT_INVALID, r->fault))
		return false;
	if (controls == NULL)
		return true;
	if (!json_get_array_or(controls, "windows", STATEMENT_WINDOWS, &windows,
		FAULT_INVALID, r->fault))
		return false;
	r->out->window_count = json_array_size(windows);
	return json_get_int_or(controls, "max_concurrency", 1, 10000, 0,
		   &r->out->max_concurrency, FAULT_INVALID, r->fault) &&
	       json_get_int_or(controls, "max_tokens_per_minute", 0, MANY, 0,
		   &r->out->max_tokens_per_minute, FAULT_INVALID, r->fault);
}

static bool
read_endpoints(const struct reader *r, const json_t *direct)
{
	const size_t most = sizeof(r->out->direct) / sizeof(char *);
	const json_t *array;

	if (!json_get_array(
		direct, "endpoints", most, &array, FAULT_INVALID, r->fault))
		return false;
	r->out->direct_count = json_array_size(array);
	for (size_t i = 0; i < r->out->direct_count; i++) {
		const char *s = json_string_value(json_array_get(array, i));

		if (s == NULL || strlen(s) > NAME_MAX_LEN || !is_plain(s) ||
		    strncmp(s, "https://", 8) != 0)
			return bad(r, "direct endpoint that is no https URL");
		r->out->direct[i] = arena_string(r->arena, s);
	}
	return true;
}

/* The gateway hands these out and never goes there itself. */
static bool
read_direct(const struct reader *r, const json_t *j)
{
	const json_t *direct;
	uint8_t spki[32];

	if (!json_get_object_or(j, "direct", &direct, FAULT_INVALID, r->fault))
		return false;
	if (direct == NULL)
		return true;
	if (!read_endpoints(r, direct) ||
	    !read_hash(r, direct, "tls_spki_sha256", spki))
		return false;
	hex_encode(bytes_of(spki, 32), r->out->direct_spki);
	return true;
}

/* The canonical form that evidence binds has integers only. */
static bool
has_only_integers(const json_t *j)
{
	const char *name;
	json_t *item;
	size_t i;

	if (json_is_real(j))
		return false;
	if (json_is_array(j)) {
		json_array_foreach((json_t *)(uintptr_t)j, i, item)
		{
			if (!has_only_integers(item))
				return false;
		}
	}
	if (json_is_object(j)) {
		json_object_foreach((json_t *)(uintptr_t)j, name, item)
		{
			if (!has_only_integers(item))
				return false;
		}
	}
	return true;
}

static bool
read_evidence(const struct reader *r, json_t *j)
{
	const json_t *evidence = json_object_get(j, "evidence");
	json_t *rest;
	char *text;

	if (evidence != NULL && !json_is_null(evidence) &&
	    !json_is_object(evidence))
		return bad(r, "evidence that is not an object");
	r->out->evidence = json_is_object(evidence) ? evidence : NULL;
	rest = json_copy(j);
	(void)json_object_del(rest, "evidence");
	if (!has_only_integers(rest)) {
		json_free(&rest);
		return bad(r, "number with a fraction or an exponent");
	}
	text = json_write_canonical(r->arena, rest);
	json_free(&rest);
	sha256(bytes_of(text, strlen(text)), r->out->digest);
	return true;
}

static bool
read_document(const struct reader *r, json_t *j)
{
	struct statement *s = r->out;

	if (!json_is_object(j))
		return bad(r, "not an object");
	if (!json_get_int(
		j, "protocol", 0, MANY, &s->protocol, FAULT_INVALID, r->fault))
		return false;
	if (s->protocol != 1)
		return fault_set(r->fault, FAULT_UNSUPPORTED,
		    "statement: protocol %lld is not spoken here",
		    (long long)s->protocol);
	return read_plain(r, j, "daemon", "", &s->daemon) &&
	       read_plain(r, j, "nonce", NULL, &s->nonce) &&
	       read_runtime(r, j) && read_models(r, j) && read_controls(r, j) &&
	       read_direct(r, j) &&
	       json_get_int_or(j, "slot", 0, STATEMENT_SLOTS - 1, 0, &s->slot,
		   FAULT_INVALID, r->fault) &&
	       read_evidence(r, j);
}

bool
statement_read(
    struct text t, struct arena *a, struct statement *out, struct fault *f)
{
	struct reader r = {a, out, f};

	memset(out, 0, sizeof(*out));
	if (!json_read(t, STATEMENT_BYTES, &out->document, f))
		return false;
	if (read_document(&r, out->document))
		return true;
	statement_free(out);
	return false;
}

void
statement_free(struct statement *s)
{
	json_free(&s->document);
	s->evidence = NULL;
}

/* ---------------------------------------------------------------- judging */

struct judge {
	const struct statement *statement;
	const struct catalog *catalog;
	const char *workspace;
};

static bool
is_visible(const struct judge *x, const struct catalog_artifact *artifact)
{
	return catalog_model_is_visible(artifact->model, x->workspace);
}

/* Everything of `part` is in `whole`, as often; both are sorted. */
static bool
is_within(const uint8_t (*part)[32], size_t part_count,
    const uint8_t (*whole)[32], size_t whole_count)
{
	size_t k = 0;

	for (size_t i = 0; i < part_count; i++) {
		while (k < whole_count && by_hash(whole[k], part[i]) < 0)
			k++;
		if (k == whole_count || by_hash(whole[k], part[i]) != 0)
			return false;
		k++;
	}
	return true;
}

/* Why no artifact is exactly these files. */
static enum statement_reason
why_no_artifact(const struct judge *x, const struct statement_model *m)
{
	bool is_part = m->file_count == 0;

	for (size_t i = 0; i < m->file_count; i++) {
		const struct catalog_artifact *const *at;
		bool is_known = false;
		size_t count;

		at = catalog_artifacts_with(x->catalog, m->hashes[i], &count);
		for (size_t k = 0; k < count; k++) {
			if (!is_visible(x, at[k]))
				continue;
			is_known = true;
			is_part =
			    is_part || is_within(m->hashes, m->file_count,
					   at[k]->files, at[k]->file_count);
		}
		if (!is_known)
			return STATEMENT_UNKNOWN_HASH;
	}
	return is_part ? STATEMENT_ARTIFACT_INCOMPLETE
		       : STATEMENT_CLAIM_MISMATCH;
}

static bool
agrees(const struct statement_model *m, const struct catalog_artifact *x)
{
	return strcmp(m->canonical, x->model->canonical) == 0 &&
	       strcmp(m->quantization, x->quantization) == 0;
}

/* Of the artifacts that are these files, the one that is also what is
 * claimed, or the reason why there is none. */
static enum statement_reason
find_artifact(const struct judge *x, const struct statement_model *m,
    const struct catalog_artifact **out)
{
	const struct catalog_artifact *const *at;
	bool is_seen = false, is_agreed = false;
	size_t count;

	*out = NULL;
	at = catalog_artifacts_of(x->catalog, m->hashes, m->file_count, &count);
	for (size_t i = 0; i < count; i++) {
		if (!is_visible(x, at[i]))
			continue;
		is_seen = true;
		if (!agrees(m, at[i]))
			continue;
		is_agreed = true;
		if (at[i]->runtime == x->statement->runtime) {
			*out = at[i];
			return STATEMENT_ACCEPTED;
		}
	}
	if (is_agreed)
		return STATEMENT_RUNTIME_MISMATCH;
	return is_seen ? STATEMENT_CLAIM_MISMATCH : why_no_artifact(x, m);
}

static bool
is_claimed_before(const struct judge *x, const struct statement_model *m)
{
	for (const struct statement_model *e = x->statement->models; e < m;
	     e++) {
		if (strcmp(e->canonical, m->canonical) == 0)
			return true;
	}
	return false;
}

static enum statement_reason
judge_model(const struct judge *x, const struct statement_model *m,
    struct statement_verdict *v)
{
	const struct catalog_artifact *artifact;
	enum statement_reason reason;

	if (is_claimed_before(x, m))
		return STATEMENT_CLAIM_MISMATCH;
	reason = find_artifact(x, m, &artifact);
	if (reason != STATEMENT_ACCEPTED)
		return reason;
	for (size_t i = 0; i < m->task_count; i++) {
		if (!catalog_model_has_task(artifact->model, m->tasks[i]))
			return STATEMENT_TASK_NOT_IN_CATALOG;
	}
	if (artifact->is_withdrawn || artifact->model->is_withdrawn)
		return STATEMENT_MODEL_WITHDRAWN;
	v->artifact = artifact;
	v->model = artifact->model;
	return STATEMENT_ACCEPTED;
}

size_t
statement_judge(const struct statement *s, const struct catalog *c,
    const char *workspace, struct statement_verdict *verdicts)
{
	struct judge x = {s, c, workspace};
	size_t accepted = 0;

	for (size_t i = 0; i < s->model_count; i++) {
		memset(&verdicts[i], 0, sizeof(verdicts[i]));
		verdicts[i].reason =
		    judge_model(&x, &s->models[i], &verdicts[i]);
		accepted += verdicts[i].reason == STATEMENT_ACCEPTED;
	}
	return accepted;
}

char *
statement_answer(struct arena *a, const struct statement *s,
    const struct statement_verdict *verdicts, const char *session,
    const char *verified_status, const char *verified_reason)
{
	json_t *models = json_array();
	json_t *answer;
	char *text;

	for (size_t i = 0; i < s->model_count; i++) {
		enum statement_reason r = verdicts[i].reason;
		bool ok = r == STATEMENT_ACCEPTED;

		json_array_append_new(
		    models, json_pack("{s:s, s:s, s:s?}", "canonical",
				s->models[i].canonical, "status",
				ok ? "accepted" : "refused", "reason",
				ok ? NULL : statement_reason_name(r)));
	}
	answer = json_pack("{s:s, s:o, s:{s:s, s:s?}}", "session", session,
	    "models", models, "verified", "status", verified_status, "reason",
	    verified_reason);
	text = json_write(a, answer);
	json_free(&answer);
	return text;
}
