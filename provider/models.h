/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this daemon can serve right now: the models of the offer whose files
 * are hashed and unchanged and whose runtime answers. The statement that a
 * gateway judges is made from this, and so is the answer to "is that
 * advertised?" for every handoff.
 */
#ifndef PROVIDER_MODELS_H
#define PROVIDER_MODELS_H

#include "base/fetch.h"
#include "provider/hasher.h"
#include "provider/offer.h"

struct models_settings {
	const struct offer *offer;
	const char *state_folder;
	struct fetch *fetch;
	const char *authorization; /* for the runtime, or NULL */
	int64_t health_ms;
	/* The set that is served has changed. */
	void (*on_change)(void *arg);
	void *arg;
};

struct models;
struct models *models_new(
    struct loop *l, const struct models_settings *s, const struct log *log);
void models_free(struct models **m);

/* The first hashing and the first look at the runtime are done. */
bool models_are_ready(const struct models *m);
bool models_runtime_is_up(const struct models *m);
/* The model if it is served now for that task, else NULL. */
const struct offer_model *models_find(
    const struct models *m, const char *task, const char *canonical);
size_t models_count(const struct models *m); /* served now */

/* Looks at every file again and re-reads those that changed, then answers.
 * Several may ask at once. */
struct pending *models_recheck(
    struct models *m, void (*fn)(void *arg), void *arg);

/* The "runtime" and "models" members, for the statement; new references. */
json_t *models_runtime_json(const struct models *m);
json_t *models_json(const struct models *m);
/* For status and doctor: [{canonical, tasks, quantization, served, why}]. */
json_t *models_report(const struct models *m);

#endif
