/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading DER (X.690) an element at a time, for the small structures that
 * makers put into certificate extensions. Definite, shortest lengths and
 * one-byte tags only; anything else is refused. Views, nothing is copied.
 */
#ifndef ATTESTATION_DER_H
#define ATTESTATION_DER_H

#include "base/text.h"

#define DER_INTEGER 0x02
#define DER_OCTET_STRING 0x04
#define DER_BIT_STRING 0x03
#define DER_OID 0x06
#define DER_ENUMERATED 0x0a
#define DER_BOOLEAN 0x01
#define DER_IA5_STRING 0x16
#define DER_UTC_TIME 0x17
#define DER_GENERALIZED_TIME 0x18
#define DER_SEQUENCE 0x30

/* Takes the next element off *in. False at the end or on broken bytes. */
bool der_next(struct bytes *in, uint8_t *tag, struct bytes *content);
/* The same, of that tag. */
bool der_take(struct bytes *in, uint8_t tag, struct bytes *content);
/* One element of that tag and nothing after it. */
bool der_only(struct bytes in, uint8_t tag, struct bytes *content);
/* The content of a non-negative INTEGER, at most 31 bits, shortest form. */
bool der_uint(struct bytes content, uint32_t *out);
bool der_bool(struct bytes content, bool *out); /* 0x00 or 0xff */
/* Takes the next element with its tag and length. */
bool der_take_whole(struct bytes *in, uint8_t tag, struct bytes *whole);
/* Takes a bit string of whole bytes. */
bool der_take_bits(struct bytes *in, struct bytes *out);
/* Takes a time as RFC 5280 4.1.2.5 writes it, Unix ms. */
bool der_take_time(struct bytes *in, int64_t *out);

#endif
