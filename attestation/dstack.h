/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dstack event logs: what was extended into the runtime measurement registers
 * of a TD, and what the platform said about the application before it handed
 * over. Nothing in a log is worth anything until its replay reaches the
 * registers of a verified quote; what the workload writes after system-ready
 * is authentic, but is never taken for a statement of the platform.
 */
#ifndef ATTESTATION_DSTACK_H
#define ATTESTATION_DSTACK_H

#include <jansson.h>

#include "base/fault.h"
#include "base/mem.h"
#include "base/text.h"

enum {
	DSTACK_REGISTERS = 4,
	DSTACK_DIGEST = 48,
	DSTACK_LOG_MAX = 1024 * 1024,
	DSTACK_EVENTS_MAX = 1024,
	DSTACK_RUNTIME_EVENT = 0x08000001,
};

/* The platform's statements, by their event names. */
enum dstack_item {
	DSTACK_APP_ID,
	DSTACK_COMPOSE_HASH,
	DSTACK_INSTANCE_ID,
	DSTACK_OS_IMAGE_HASH,
	DSTACK_KEY_PROVIDER,
	DSTACK_MR_KMS,
	DSTACK_ITEMS
};

struct dstack_event {
	unsigned imr;
	uint32_t type;
	uint8_t digest[DSTACK_DIGEST]; /* as replayed */
	struct text name;
	struct bytes payload; /* runtime events only: the rest is unproven */
	bool workload;	      /* stands after system-ready */
};

struct dstack_log {
	uint8_t rtmr[DSTACK_REGISTERS][DSTACK_DIGEST]; /* replayed */
	struct bytes item[DSTACK_ITEMS]; /* empty where the log has none */
	const struct dstack_event *event;
	size_t events;
	size_t workload_events;
};

/* Reads and replays a log (a JSON array of {imr, event_type, digest, event,
 * event_payload}). The digest of every runtime event is computed from its
 * type, name and payload, and must be the listed one where one is listed.
 * Refused: a runtime event outside register 3, any other event in it, a name
 * that repeats or carries a colon before system-ready, a log without
 * system-ready. Everything lives in the arena. */
bool dstack_log_read(
    struct arena *a, struct text json, struct dstack_log *out, struct fault *f);

/* The same for a log that has been parsed already. */
bool dstack_log_of_json(struct arena *a, const json_t *list,
    struct dstack_log *out, struct fault *f);

/* The event name of an item. */
const char *dstack_item_name(enum dstack_item item);

/* The replay reaches the registers of the quote. Fails CONFLICT. */
bool dstack_log_reaches(const struct dstack_log *l,
    const uint8_t rtmr[DSTACK_REGISTERS][DSTACK_DIGEST], struct fault *f);
bool dstack_register_reached(const struct dstack_log *l, unsigned index,
    const uint8_t seen[DSTACK_DIGEST], struct fault *f);

/* MRCONFIGID is 1, SHA-256 of the exact compose text, 15 zeros. An all-zero
 * register is refused here: such a machine states its compose hash in the
 * log, and dstack_log_compose compares that. */
bool dstack_mr_config_compose(
    const uint8_t mr_config_id[48], struct text compose, struct fault *f);
bool dstack_log_compose(
    const struct dstack_log *l, struct text compose, struct fault *f);
bool dstack_mr_config_is_unused(const uint8_t mr_config_id[48]);

/* Both at once, as a verdict wants it: the log's hash is that of the text,
 * and the register, where the machine uses it, holds the same. */
bool dstack_compose_check(const struct dstack_log *l,
    const uint8_t mr_config_id[48], struct text compose, struct fault *f);

/* One image that an operator trusts: firmware, kernel, initrd. */
struct dstack_base {
	uint8_t mrtd[DSTACK_DIGEST];
	uint8_t rtmr[3][DSTACK_DIGEST];
};
/* MRTD and RTMR0-2 are those of one of the images, whole. */
bool dstack_base_is_pinned(const struct dstack_base *seen,
    const struct dstack_base *pinned, size_t count, struct fault *f);

#endif
