/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The images that a compose file runs, read from YAML's own events by
 * libyaml. Only a plain subset is taken: whatever another reader could take
 * for another image, or that brings an image from elsewhere, is refused.
 */
#ifndef ATTESTATION_COMPOSE_H
#define ATTESTATION_COMPOSE_H

#include "base/mem.h"
#include "base/text.h"

enum { COMPOSE_FILE_MAX = 256 * 1024, COMPOSE_IMAGES_MAX = 256 };

struct compose {
	struct text image[COMPOSE_IMAGES_MAX]; /* as it is written, decoded */
	size_t images;
};

/* Every value of a key "image", at least one, and one in each service. Fails
 * with FAULT_INVALID for what is no YAML, FAULT_UNSUPPORTED for what is not
 * plain, FAULT_NOT_FOUND where a service has no image. */
bool compose_read(
    struct arena *a, struct text file, struct compose *out, struct fault *f);
/* Whether the whole of it is "name@sha256:" and 64 lower-case hexadecimal
 * digits, which *digest then is. */
bool compose_image_digest(struct text image, struct text *digest);

#endif
