/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a daemon's statement, judged against a small catalog. What is
 * accepted is an artifact that this workspace may see, and the answer to the
 * daemon is JSON with one verdict a model.
 */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "gateway/statement.h"

#define W "11111111-1111-7111-8111-111111111111"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

/* Files are 64 times one digit, so that a fuzzer can find them. */
static void
add_model(struct draft *d, const char *canonical, const char *workspace,
    const char *digits)
{
	draft_model(d, &(struct catalog_model){
			   .canonical = canonical, .workspace = workspace});
	draft_model_task(d, canonical, "chat");
	draft_artifact(d, canonical,
	    &(struct catalog_artifact){
		.id = canonical, .runtime = RUNTIME_MLX, .quantization = "Q4"});
	for (; *digits != '\0'; digits++) {
		uint8_t hash[32];

		memset(hash, (*digits - '0') * 0x11, sizeof(hash));
		draft_file(d, canonical, hash);
	}
}

static const struct catalog *
catalog(void)
{
	static const struct catalog *made;
	struct draft *d;

	if (made != NULL)
		return made;
	d = draft_new(CATALOG_MODELS);
	draft_task(
	    d, &(struct catalog_task){"chat", "/v1/chat/completions", false});
	add_model(d, "t:a", NULL, "1");
	add_model(d, "t:b", NULL, "122");
	add_model(d, "t:c", "another workspace", "3");
	made = catalog_next(NULL, &d);
	return made;
}

static void
check(struct arena *a, const struct statement *s)
{
	struct statement_verdict v[STATEMENT_MODELS];
	size_t accepted = statement_judge(s, catalog(), W, v);
	struct fault f;
	json_t *answer;

	for (size_t i = 0; i < s->model_count; i++) {
		bool ok = v[i].reason == STATEMENT_ACCEPTED;

		if (ok != (v[i].artifact != NULL) ||
		    (ok && v[i].model->workspace != NULL) ||
		    (ok && strcmp(v[i].model->canonical,
			       s->models[i].canonical) != 0))
			abort();
		accepted -= ok;
	}
	if (accepted != 0)
		abort();
	if (!json_read(text_of(statement_answer(a, s, v, "s", "none", NULL)),
		1 << 24, &answer, &f))
		abort();
	json_free(&answer);
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	struct arena *a = arena_new();
	struct statement s;
	struct fault f;

	if (statement_read((struct text){(const char *)at, len}, a, &s, &f)) {
		check(a, &s);
		statement_free(&s);
	} else if (s.document != NULL) {
		abort();
	}
	arena_free(&a);
	return 0;
}
