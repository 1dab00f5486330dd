/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A fault: what went wrong, as a stable code for programs and a sentence for
 * people. The lowest function that knows writes the sentence; those above
 * pass it on. The code reaches the outside; the sentence goes to the log and
 * the ledger, and to a buyer only where the mistake was the buyer's own.
 */
#ifndef BASE_FAULT_H
#define BASE_FAULT_H

#include <stdbool.h>

/* X(NAME, "stable_code"). Codes may be added, never changed. */
/* clang-format off */
#define FAULT_KINDS(X)                                                         \
	/* the request itself */                                               \
	X(INVALID_REQUEST, "invalid_request")                                  \
	X(INVALID_JSON, "invalid_json")                                        \
	X(INVALID_OPTION, "invalid_option")                                    \
	X(UNKNOWN_TASK, "unknown_task")                                        \
	X(REQUEST_TOO_LARGE, "request_too_large")                              \
	X(UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type")                    \
	X(REQUEST_TIMEOUT, "request_timeout")                                  \
	X(NOT_FOUND, "not_found")                                              \
	X(METHOD_NOT_ALLOWED, "method_not_allowed")                            \
	/* who asks */                                                         \
	X(INVALID_CREDENTIAL, "invalid_credential")                            \
	X(EXPIRED_CREDENTIAL, "expired_credential")                            \
	X(REVOKED_GRANT, "revoked_grant")                                      \
	X(INSUFFICIENT_SCOPES, "insufficient_scopes")                          \
	X(RATE_LIMITED, "rate_limited")                                        \
	/* what is asked for */                                                \
	X(MODEL_NOT_FOUND, "model_not_found")                                  \
	X(REQUEST_NOT_FOUND, "request_not_found")                              \
	X(PROVIDER_NOT_FOUND, "provider_not_found")                            \
	X(FEEDBACK_EXISTS, "feedback_exists")                                  \
	X(FEEDBACK_NOT_FOUND, "feedback_not_found")                            \
	X(FEEDBACK_CLOSED, "feedback_closed")                                  \
	X(FEEDBACK_RANGE, "feedback_out_of_range")                             \
	X(FEEDBACK_ISSUE, "unknown_issue")                                     \
	X(REQUEST_NOT_SERVED, "request_not_served")                            \
	X(SIGNATURE_NOT_FOUND, "signature_not_found")                          \
	X(SIGNATURE_MISSING, "signature_missing")                              \
	X(RUNTIME_UNREACHABLE, "runtime_unreachable")                          \
	X(IDEMPOTENCY_CONFLICT, "idempotency_conflict")                        \
	/* who could serve it */                                               \
	X(NO_WORKSPACE_PROVIDER, "no_workspace_provider")                      \
	X(NO_PROVIDER_AT_TIER, "no_provider_at_tier")                          \
	X(NO_VERIFIED_PROVIDER, "no_verified_provider")                        \
	X(NO_PROVIDER, "no_provider")                                          \
	X(UPSTREAM_DEPENDENCY_UNAVAILABLE, "upstream_dependency_unavailable")  \
	X(OVERLOADED, "overloaded")                                            \
	/* how serving it failed */                                            \
	X(PROVIDER_ERROR, "provider_error")                                    \
	X(PROVIDER_UNREACHABLE, "provider_unreachable")                        \
	X(FIRST_BYTE_TIMEOUT, "first_byte_timeout")                            \
	X(STREAM_STALLED, "stream_stalled")                                    \
	X(TOTAL_TIMEOUT, "total_timeout")                                      \
	X(BUYER_TIMEOUT, "buyer_timeout")                                      \
	X(SIGNATURE_INVALID, "signature_invalid")                              \
	X(TRUNCATED, "truncated")                                              \
	X(BUYER_GONE, "buyer_gone")                                            \
	X(DRAINING, "draining")                                                \
	/* handoff tokens, as a provider judges them */                        \
	X(TOKEN_MALFORMED, "token_malformed")                                  \
	X(TOKEN_SIGNATURE, "token_signature")                                  \
	X(TOKEN_WRONG_AUDIENCE, "token_wrong_audience")                        \
	X(TOKEN_EXPIRED, "token_expired")                                      \
	X(TOKEN_NOT_YET_VALID, "token_not_yet_valid")                          \
	X(TOKEN_REPLAYED, "token_replayed")                                    \
	X(TOKEN_NOT_ADVERTISED, "token_not_advertised")                        \
	X(TOKEN_KEY_UNKNOWN, "token_key_unknown")                              \
	/* provider's own limits */                                            \
	X(OUTSIDE_WINDOW, "outside_window")                                    \
	X(CAPACITY_EXCEEDED, "capacity_exceeded")                              \
	/* enrolment and devices */                                            \
	X(CODE_INVALID, "code_invalid")                                        \
	X(CODE_USED, "code_used")                                              \
	X(CODE_EXPIRED, "code_expired")                                        \
	X(CSR_INVALID, "csr_invalid")                                          \
	X(DEVICE_REVOKED, "device_revoked")                                    \
	X(DEVICE_UNKNOWN, "device_unknown")                                    \
	/* anywhere inside */                                                  \
	X(INVALID, "invalid")             /* bytes break their format */       \
	X(UNTRUSTED, "untrusted")         /* a signature or chain fails */     \
	X(EXPIRED, "expired")                                                  \
	X(STALE, "stale")                                                      \
	X(NOT_YET_VALID, "not_yet_valid")                                      \
	X(REVOKED, "revoked")                                                  \
	X(TAMPERED, "tampered")                                                \
	X(UNSUPPORTED, "unsupported")                                          \
	X(LIMIT, "limit_exceeded")                                             \
	X(TIMEOUT, "timeout")                                                  \
	X(UNAVAILABLE, "unavailable")                                          \
	X(CONFLICT, "conflict")           /* a constraint was violated */      \
	X(REFUSED, "refused")                                                  \
	X(CANCELLED, "cancelled")                                              \
	X(SYSTEM, "system")               /* a system call failed */           \
	X(INTERNAL, "internal")

enum fault_kind {
	FAULT_NONE = 0,
#define X(name, code) FAULT_##name,
	FAULT_KINDS(X)
#undef X
	FAULT_COUNT
};
/* clang-format on */

struct fault {
	enum fault_kind kind;
	char why[200]; /* one sentence; printable, never secret */
};

/* Fills *f (which may be NULL) and returns false, so that a failing function
 * ends with `return fault_set(f, …)`. Bytes of the formatted sentence outside
 * printable ASCII become '?': it may quote hostile text. */
bool fault_set(struct fault *f, enum fault_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The stable code of a kind: "no_provider"; "none" for FAULT_NONE. */
const char *fault_code(enum fault_kind kind);

/* The kind of a stable code; FAULT_NONE where there is none such. */
enum fault_kind fault_of_code(const char *code);

#endif
