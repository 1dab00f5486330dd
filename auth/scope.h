/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a credential may do, as a set of bits. Five scopes grant; one,
 * workspace_only, restricts: whoever carries it never reaches the
 * marketplace, whatever else they carry.
 */
#ifndef AUTH_SCOPE_H
#define AUTH_SCOPE_H

#include "base/fault.h"
#include "base/text.h"

enum {
	SCOPE_INFERENCE = 1 << 0,      /* lattice:compute:inference */
	SCOPE_WORKSPACE_ONLY = 1 << 1, /* lattice:compute:workspace_only */
	SCOPE_MARKETPLACE = 1 << 2,    /* lattice:compute:marketplace */
	SCOPE_CATALOG_READ = 1 << 3,   /* lattice:compute:catalog:read */
	SCOPE_USAGE_READ = 1 << 4,     /* lattice:compute:usage:read */
	SCOPE_STREAMING = 1 << 5       /* lattice:compute:streaming */
};
#define SCOPE_COUNT 6
#define SCOPES_TEXT 256 /* all of them with blanks between, and a NUL */

/* The bit of a name, 0 for a name that is none. */
uint32_t scope_of_name(struct text name);
const char *scope_name(unsigned index); /* 0..SCOPE_COUNT - 1 */
/* Names with single blanks between (RFC 6749 section 3.3). Fails INVALID on
 * an empty set or a name that is none, which it quotes. */
bool scopes_read(struct text t, uint32_t *out, struct fault *f);
/* The same from a Postgres text[] literal: {a,b}. */
bool scopes_read_array(struct text t, uint32_t *out, struct fault *f);
void scopes_write(uint32_t set, char out[SCOPES_TEXT]);

/* All of the granting scopes in `needed` are in the set. */
bool scopes_grant(uint32_t set, uint32_t needed);
/* Has the marketplace scope and not the restriction. */
bool scopes_reach_marketplace(uint32_t set);
/* What a credential narrowed to `wanted` holds: only grants that were there,
 * all restrictions of both. */
uint32_t scopes_narrow(uint32_t had, uint32_t wanted);

#endif
