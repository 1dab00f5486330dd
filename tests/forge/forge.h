/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of forge: each maker keeps its keys in a file of the platform's
 * folder, writes what its services would publish below FOLDER/parts, and
 * prints evidence. Times are around the one at which the program runs.
 */
#ifndef TESTS_FORGE_FORGE_H
#define TESTS_FORGE_FORGE_H

#include <stdint.h>

extern int64_t forge_now; /* Unix seconds */
#define FORGE_NOW forge_now

#include "base/mem.h"
#include "base/text.h"
#include "tests/unit/attestation_forge.h"

/* What `forge collateral` is asked for. */
struct publication {
	bool revoked;  /* the last authority or the device is on its list */
	bool disowned; /* Intel's root lists its Platform CA */
	bool answered; /* an OCSP answer alone calls an authority revoked */
	bool recalled; /* the manifests' root lists who signed them */
	bool stale;    /* the lists are past their update */
	bool old;      /* the platform has become OutOfDate */
	/* Unix seconds: when TCB info, identity and lists were issued, and
	 * when lists are to be updated next. */
	int64_t issued, next;
};

/* An issuer's list as it is published; each has number 1, as Intel's have. */
struct bytes forge_published(struct arena *a, const struct forged *issuer,
    long serial, const struct publication *p);

/* Files of the folder; any failure ends the program. */
void forge_save(const char *folder, const char *name,
    const struct forged *const *all, size_t count);
void forge_load(const char *folder, const char *name, struct forged *const *all,
    size_t count);
void forge_write(
    struct arena *a, const char *folder, const char *name, struct bytes body);
void forge_hex(const char *hex, uint8_t *out, size_t size);
void forge_print(struct arena *a, struct bytes b); /* in hex, a line */

/* Each makes its keys, or reads them; *roots get the pinned ones. */
#define FORGE_ROOTS 8
struct roots {
	struct forged at[FORGE_ROOTS]; /* the roots' owner keeps them */
	size_t count;
};
void forge_snp_new(const char *folder, struct roots *r);
void forge_snp_publish(const char *folder, const struct publication *p);
void forge_snp_report(const char *folder, int argc, char **argv);
/* ocsp: the authorities' certificates name a responder. */
void forge_gpu_new(const char *folder, bool ocsp, struct roots *r);
void forge_gpu_publish(const char *folder, const struct publication *p);
void forge_gpu_report(const char *folder, int argc, char **argv);
void forge_apple_new(const char *folder, struct roots *r);
void forge_apple_mda(const char *folder, int argc, char **argv);
void forge_apple_app(const char *folder, int argc, char **argv);

#endif
