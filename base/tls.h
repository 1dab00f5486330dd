/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS contexts and certificates (OpenSSL 3). TLS 1.3 alone between our own
 * programs and on tunnels; 1.2 and up on the buyer's listener. Files are read
 * when a context is made; a reload makes a new one, and connections keep the
 * one they began with.
 */
#ifndef BASE_TLS_H
#define BASE_TLS_H

#include <openssl/ssl.h>

#include "base/fault.h"
#include "base/mem.h"
#include "base/text.h"

enum tls_verify {
	TLS_VERIFY_NONE,     /* server: ask for no client certificate */
	TLS_VERIFY_OPTIONAL, /* server: verify one if it comes */
	TLS_VERIFY_REQUIRED  /* either side: no valid chain, no connection */
};

struct tls_settings {
	bool server;
	enum tls_verify verify;
	const char *certificate_file; /* PEM chain, leaf first; NULL: none */
	const char *key_file;
	const char *ca_file;  /* PEM anchors for the peer; NULL with REQUIRED
			       * on a client: the system's */
	const char *alpn;     /* "rh2", "h2": a peer that does not agree to it
			       * is refused. "http/1.1": one may leave it
			       * out. NULL: none */
	bool tls12;	      /* allow 1.2 as well */
	bool session_tickets; /* false on tunnels */
};
/* The peer's certificate must state the right extended key usage (client or
 * server authentication). Free with SSL_CTX_free. */
bool tls_context_new(
    const struct tls_settings *s, SSL_CTX **out, struct fault *f);

/* The one URI subject alternative name, if it is a DID (RFC 5280 4.2.1.6);
 * fails UNTRUSTED for none, several, or a NUL inside. */
bool certificate_did(
    X509 *certificate, char *out, size_t size, struct fault *f);
/* Upper-case hex of the serial, as the device table holds it. */
bool certificate_serial(X509 *certificate, char *out, size_t size);
bool certificate_times(
    X509 *certificate, int64_t *not_before_ms, int64_t *not_after_ms);
/* SHA-256 of the DER certificate (RFC 8705 x5t#S256). */
void certificate_sha256(X509 *certificate, uint8_t out[32]);
/* Every certificate of a PEM text; at most max. Caller frees the stack. */
bool certificates_read_pem(
    struct text pem, size_t max, STACK_OF(X509) * *out, struct fault *f);

/* False where the context demands an ALPN name that the peer did not agree
 * to. A server's handshake refuses by itself; a client asks this after it. */
bool tls_alpn_agreed(SSL *ssl);

/* What OpenSSL last said, as words; clears the queue. */
void tls_why(char *out, size_t size);
/* Why a connection that libevent has reported as broken is so: UNTRUSTED
 * where the peer's certificate was missing or did not verify, REFUSED for
 * anything else of TLS (such as the peer's alert). False: not for TLS. */
struct bufferevent;
bool tls_fault_of(struct bufferevent *bev, struct fault *f);

#endif
