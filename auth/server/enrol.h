/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices at the public door: a one-time code and a CSR become a device and
 * its first certificate; a good certificate and a CSR become the next one.
 * Both are one SQL statement each, so a code makes one device or none.
 */
#ifndef AUTH_SERVER_ENROL_H
#define AUTH_SERVER_ENROL_H

#include "auth/server/house.h"

/* Requests whose answer Postgres still owes. */
struct enrolments;
struct enrolments *enrolments_new(struct house *h);
void enrolments_free(struct enrolments **e); /* closes what is open */

/* Each takes the request. did is percent-decoded and well-formed. */
void enrol_device(struct enrolments *e, struct http_request *r);
void renew_device(
    struct enrolments *e, struct http_request *r, const char *did);
void show_device(struct enrolments *e, struct http_request *r, const char *did);

#endif
