/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An HTTP client for the outside (libcurl on our loop): a provider's runtime,
 * auth over HTTPS, collateral services. Connections are kept and reused;
 * bodies stream with back-pressure; host names are verified.
 */
#ifndef BASE_FETCH_H
#define BASE_FETCH_H

#include "base/http.h"
#include "base/loop.h"

struct fetch_settings {
	const char *ca_file;	      /* NULL: the system's anchors */
	const char *certificate_file; /* client certificate, or NULL */
	const char *key_file;
	int64_t connect_ms;	       /* default 5 s */
	unsigned connections_per_host; /* default 64 */
	size_t window; /* unread bytes a call may hold; 256 KiB */
};
struct fetch;
struct fetch *fetch_new(struct loop *l, const struct fetch_settings *s);
/* What is under way ends with UNAVAILABLE, through the loop. */
void fetch_free(struct fetch **x);

/* o->path is an http or https URL ("http://unix:/path:/v1/x" is not needed).
 * Redirects are not followed. Only a bad URL fails at once (NULL). */
struct http_call *fetch_call(struct fetch *x, struct http_outgoing *o,
    const struct http_events *events, void *arg, struct fault *f);
struct pending *fetch_ask(struct fetch *x, struct http_outgoing *o, size_t max,
    int64_t within_ms,
    void (*fn)(
	void *arg, const struct http_answer *answer, const struct fault *f),
    void *arg);

#endif
