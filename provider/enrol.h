/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Becoming a device, and staying one: a one-time code and a signing request
 * give the first certificate; later ones are asked for with the current one,
 * each with a fresh key.
 */
#ifndef PROVIDER_ENROL_H
#define PROVIDER_ENROL_H

#include "base/fetch.h"
#include "base/log.h"
#include "provider/identity.h"

/* Blocks (its own loop). auth_ca may be NULL. On success the folder holds the
 * identity; a folder that has one already is refused (CONFLICT). */
bool enrol(const char *auth_url, const char *auth_ca, const char *code,
    const char *folder, struct fault *f);

/* The sentence and kind of an error object, or the status alone; false. */
bool enrol_refused(int status, struct text body, struct fault *f);

struct renewal;
/* Asks when renew_after has come, and again every few minutes until it has
 * worked; on_renewed after the folder holds the new certificate. */
struct renewal *renewal_new(struct loop *l, const struct identity *identity,
    void (*on_renewed)(void *arg), void *arg, const struct log *log);
void renewal_free(struct renewal **r);

#endif
