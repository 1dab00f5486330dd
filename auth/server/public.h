/* SPDX-License-Identifier: Apache-2.0 */
/* The public HTTPS door: which path does what. */
#ifndef AUTH_SERVER_PUBLIC_H
#define AUTH_SERVER_PUBLIC_H

#include "auth/server/enrol.h"

struct public_door {
	struct house *house;
	struct enrolments *enrolments;
};
/* An http_handler; arg is a struct public_door. */
void public_answer(struct http_request *r, void *arg);

/* "/v1/devices/DID/renew": the part between prefix and the last segment,
 * percent-decoded; false where it is no DID or the path is another. */
bool public_device_path(
    const char *path, char *did, size_t size, const char **action);

#endif
