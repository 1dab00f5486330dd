/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Evidence about this machine, gathered anew for each hello: what the
 * hardware signs over the question and over us. Sources stand behind one
 * small interface. They are asked in a child process, because a quoting
 * service or a driver may take its time, and the tunnels must not wait.
 */
#ifndef PROVIDER_EVIDENCE_H
#define PROVIDER_EVIDENCE_H

#include <jansson.h>

#include "base/fault.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/text.h"

#define EVIDENCE_TEXT_MAX ((size_t)200 << 10) /* fits in a statement */
enum { EVIDENCE_REPORT_DATA = 64, EVIDENCE_NONCE = 32 };

struct evidence_settings {
	const char *tsm;    /* folder of configfs-tsm reports, or NULL */
	const char *dstack; /* Unix socket of dstack's guest agent, or NULL */
	const char *nvml;   /* the NVML library to load, or NULL */
	int64_t within_ms;
};

/* What is asked of every source. */
struct evidence_question {
	const struct evidence_settings *settings;
	uint8_t report_data[EVIDENCE_REPORT_DATA];
	uint8_t nonce[EVIDENCE_NONCE];
};
/* One source: whether the settings name it, and its items of the bundle,
 * appended to the array. May block; runs in the child. */
struct evidence_source {
	const char *name;
	bool (*is_set)(const struct evidence_settings *s);
	bool (*gather)(
	    const struct evidence_question *q, json_t *items, struct fault *f);
};
extern const struct evidence_source tsm_source;
extern const struct evidence_source dstack_source;
extern const struct evidence_source nvml_source;

/* The certificates of a GHCB table as base64: VCEK or VLEK, ASK, ARK; absent
 * ones, and rows that point out of the table, are left out. */
json_t *tsm_certificates(struct arena *a, const uint8_t *at, size_t len);

/* Pure: the items of what dstack's agent answered, whole HTTP answers each,
 * to GetQuote and Info. */
bool dstack_items(struct arena *a, struct text quote, struct text info,
    json_t *items, struct fault *f);

bool evidence_is_set(const struct evidence_settings *s);

/* The question's form "assay" of docs/tunnel.md. */
struct evidence_binding {
	uint8_t nonce[EVIDENCE_NONCE];
	const char *did;
	struct bytes spki;	  /* DER, of the tunnel's certificate */
	uint8_t statement[32];	  /* SHA-256 without evidence */
	struct bytes signing_key; /* the address, 20 bytes */
	const char *signing_address;
};

/* The bundle of attestation/evidence.h, or the fault; from the callback on the
 * callee owns it. All sources that are set must answer. */
struct pending *evidence_ask(struct loop *l, const struct evidence_settings *s,
    const struct evidence_binding *b,
    void (*fn)(void *arg, json_t *bundle, const struct fault *f), void *arg);

/* The blocking part, as the child runs it; a new reference or the fault. */
json_t *evidence_items(const struct evidence_question *q, struct fault *f);

#endif
