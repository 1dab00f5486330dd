/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Postgres says about tasks, models, artifacts, devices and scores,
 * as an immutable snapshot that is replaced whole. It is counted,
 * because many exchanges read one: an exchange keeps the one it began with.
 * A snapshot is made of three parts; a change of one leaves the others shared,
 * and a change of some scores leaves most scores shared.
 * Every lookup is by hash; nothing here walks all providers.
 */
#ifndef GATEWAY_CATALOG_H
#define GATEWAY_CATALOG_H

#include "base/mem.h"
#include "base/text.h"

#define DID_SIZE 201	   /* with the NUL */
#define CANONICAL_SIZE 201 /* likewise: a model's canonical id */
#define TASK_SIZE 64

enum tier { TIER_NONE, TIER_BRONZE, TIER_SILVER, TIER_GOLD };
const char *tier_name(enum tier t); /* "none" for TIER_NONE */
bool tier_of(struct text name, enum tier *out);

enum runtime_kind {
	RUNTIME_LLAMA_CPP,
	RUNTIME_OLLAMA,
	RUNTIME_MLX,
	RUNTIME_CLOUD_BRIDGE,
	RUNTIME_COUNT
};
const char *runtime_name(enum runtime_kind k);
bool runtime_of(struct text name, enum runtime_kind *out);

struct catalog_task {
	const char *name;
	const char *path;  /* at the provider: "/v1/chat/completions" */
	bool is_multipart; /* its body is multipart/form-data */
};

struct catalog_artifact;
struct catalog_model {
	const char *canonical;
	const char *workspace; /* NULL: public */
	const char *display_name;
	bool is_withdrawn;
	int64_t context_length; /* 0: unknown */
	int64_t created_at;	/* Unix ms */
	const char *const *tasks;
	size_t task_count;
	const struct catalog_artifact *const *artifacts;
	size_t artifact_count;
};

struct catalog_artifact {
	const char *id;
	const struct catalog_model *model;
	enum runtime_kind runtime;
	const char *quantization;
	bool is_withdrawn;
	const uint8_t (*files)[32]; /* SHA-256, sorted; one may repeat */
	size_t file_count;
};

struct catalog_device {
	const char *did;
	const char *workspace;
	const char *name;
	bool is_revoked;
	bool is_suspended; /* its workspace is */
	int64_t
	    certificate_expires_at; /* of the newest one, Unix ms, 0: none */
};

struct catalog_score {
	const char *did;
	const char *task;
	const char *model;
	enum tier tier;
	double score;	    /* negative: no data */
	double delivered;   /* decayed weight of the delivery stream */
	const char *parts;  /* JSON, or NULL */
	int64_t updated_at; /* Unix ms */
};

struct catalog;
const struct catalog *catalog_ref(const struct catalog *c);
void catalog_unref(const struct catalog **c); /* accepts NULL, leaves NULL */

const struct catalog_task *catalog_task_find(
    const struct catalog *c, struct text name);
size_t catalog_task_count(const struct catalog *c);
const struct catalog_task *catalog_task_at(const struct catalog *c, size_t i);

/* The model as this workspace sees it: public or its own, withdrawn or not.
 * NULL also for somebody else's private model. */
const struct catalog_model *catalog_model_find(
    const struct catalog *c, struct text canonical, const char *workspace);
bool catalog_model_has_task(const struct catalog_model *m, const char *task);
/* Every public model and this workspace's own, in the order of canonical. */
size_t catalog_model_count(const struct catalog *c);
const struct catalog_model *catalog_model_at(const struct catalog *c, size_t i);
bool catalog_model_is_visible(
    const struct catalog_model *m, const char *workspace);

/* Artifacts whose multiset of files is exactly this (sorted); *count may be
 * more than one, as several runtime kinds may load the same files. */
const struct catalog_artifact *const *catalog_artifacts_of(
    const struct catalog *c, const uint8_t (*files)[32], size_t file_count,
    size_t *count);
/* Artifacts that hold this file, among others perhaps. */
const struct catalog_artifact *const *catalog_artifacts_with(
    const struct catalog *c, const uint8_t sha256[32], size_t *count);

const struct catalog_device *catalog_device_find(
    const struct catalog *c, const char *did);
/* By upper-case hex serial: revoked, or of a revoked device. */
bool catalog_certificate_is_revoked(
    const struct catalog *c, const char *serial);

/* NULL: no row, which is bronze without data. */
const struct catalog_score *catalog_score_find(const struct catalog *c,
    const char *did, const char *task, const char *model);
/* All rows of one provider. */
const struct catalog_score *const *catalog_scores_of(
    const struct catalog *c, const char *did, size_t *count);

enum catalog_part {
	CATALOG_MODELS,	 /* tasks, models, artifacts, files */
	CATALOG_DEVICES, /* devices and revoked certificates */
	CATALOG_SCORES,
	CATALOG_PARTS
};

/* Names one part for ever: what was found in it may be kept under this and
 * used again as long as the snapshot at hand says the same. */
uint64_t catalog_part_id(const struct catalog *c, enum catalog_part part);

/* Is there a snapshot with every part? (From a full read, or a test.) */
bool catalog_is_whole(const struct catalog *c);

/* ---------------------------------------------------------------- making */

/* One part being gathered, row by row; every text is copied. Rows that name
 * what is not there (an artifact of no model) are dropped and counted. */
struct draft;
struct draft *draft_new(enum catalog_part part);
void draft_free(struct draft **d);
void draft_task(struct draft *d, const struct catalog_task *t);
/* Reads everything but tasks and artifacts. */
void draft_model(struct draft *d, const struct catalog_model *m);
void draft_model_task(struct draft *d, const char *canonical, const char *task);
/* Reads id, runtime, quantization, is_withdrawn. */
void draft_artifact(
    struct draft *d, const char *canonical, const struct catalog_artifact *x);
void draft_file(
    struct draft *d, const char *artifact_id, const uint8_t sha256[32]);
void draft_device(struct draft *d, const struct catalog_device *x);
void draft_revoked_certificate(struct draft *d, const char *serial);
void draft_score(struct draft *d, const struct catalog_score *x);
/* These scores are what changed: all others stay as they were before. */
void draft_is_change(struct draft *d);
size_t draft_dropped(const struct draft *d);

/* before (or nothing, NULL) with one part replaced; takes the draft. */
const struct catalog *catalog_next(
    const struct catalog *before, struct draft **d);

/* The place where the current snapshot stands: sync replaces it, everybody
 * else reads. There is always one, though at first it is empty. */
struct catalogs;
struct catalogs *catalogs_new(void);
void catalogs_free(struct catalogs **h);
/* Borrowed until the next turn of the loop; catalog_ref keeps it longer. */
const struct catalog *catalogs_now(const struct catalogs *h);
void catalogs_set(struct catalogs *h, const struct catalog *c); /* takes */

#endif
