/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The offer file: which runtime there is, which models it has loaded, and
 * under what controls. JSON, read strictly; docs/getting-started-provider.md
 * shows one for each kind of runtime.
 */
#ifndef PROVIDER_OFFER_H
#define PROVIDER_OFFER_H

#include "artifact/artifact.h"
#include "provider/window.h"

#define OFFER_MODELS 64
#define OFFER_TASKS 16

struct offer_model {
	const char *canonical;
	const char *tasks[OFFER_TASKS];
	size_t task_count;
	const char *quantization;
	int64_t context_length;	  /* 0: not said */
	const char *runtime_name; /* what the runtime calls it; NULL: leave the
				   * buyer's "model" as it is */
	struct artifact artifact; /* not hashed yet */
};

struct offer {
	enum runtime_kind runtime;
	const char *runtime_version;
	const char *runtime_url;  /* without a trailing slash */
	const char *api_key_file; /* bearer for the runtime, or NULL */
	struct offer_model *models;
	size_t model_count;
	struct window windows[WINDOWS_MAX];
	size_t window_count;
	int64_t max_concurrency;       /* default 1 */
	int64_t max_tokens_per_minute; /* 0: no cap */
	const json_t *windows_json;    /* as written, for the statement */
	json_t *document;	       /* owns windows_json; offer_free */
};

/* Strings live in the arena. The sentence names the member at fault. */
bool offer_read(
    struct arena *a, const char *path, struct offer *out, struct fault *f);
void offer_free(struct offer *o);
/* The header value that the runtime wants; NULL where it wants none. */
bool offer_authorization(
    const struct offer *o, struct arena *a, const char **out, struct fault *f);
/* NULL where the model is not offered for that task. */
const struct offer_model *offer_find(
    const struct offer *o, const char *task, const char *canonical);

#endif
