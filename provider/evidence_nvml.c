/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Evidence of NVIDIA GPUs through NVML, loaded at run time and only if asked
 * for; the shapes below are those of its published header. No hardware has
 * run this code: it is tried against a library of the tests' own making.
 */
#include <dlfcn.h>
#include <string.h>

#include "base/codec.h"
#include "base/json.h"
#include "provider/evidence.h"

enum { GPUS_MAX = 32, ARCH_BLACKWELL = 10 };

struct nvml_certificate {
	unsigned chain_size;
	unsigned attestation_chain_size;
	unsigned char chain[0x1000];
	unsigned char attestation_chain[0x1400];
};
struct nvml_report {
	unsigned cec_present;
	unsigned size;
	unsigned cec_size;
	unsigned char nonce[32];
	unsigned char report[0x2000];
	unsigned char cec_report[0x1000];
};

typedef int nvml_init(void);
typedef int nvml_count(unsigned *out);
typedef int nvml_handle(unsigned index, void **out);
typedef int nvml_architecture(void *device, unsigned *out);
typedef int nvml_certificate(void *device, struct nvml_certificate *out);
typedef int nvml_report(void *device, struct nvml_report *out);

struct nvml {
	void *library;
	nvml_init *init;
	nvml_count *count;
	nvml_handle *handle;
	nvml_architecture *architecture;
	nvml_certificate *certificate;
	nvml_report *report;
};

/* POSIX lets a data pointer from dlsym stand for a function. */
static bool
find(struct nvml *n, const char *name, void *slot, struct fault *f)
{
	void *at = dlsym(n->library, name);

	memcpy(slot, &at, sizeof(at));
	return at != NULL ||
	       fault_set(f, FAULT_UNSUPPORTED, "NVML has no %s", name);
}

static bool
load(struct nvml *n, const char *path, struct fault *f)
{
	n->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (n->library == NULL)
		return fault_set(
		    f, FAULT_UNAVAILABLE, "NVML: %.120s", dlerror());
	return find(n, "nvmlInit_v2", &n->init, f) &&
	       find(n, "nvmlDeviceGetCount_v2", &n->count, f) &&
	       find(n, "nvmlDeviceGetHandleByIndex_v2", &n->handle, f) &&
	       find(n, "nvmlDeviceGetArchitecture", &n->architecture, f) &&
	       find(n, "nvmlDeviceGetConfComputeGpuCertificate",
		   &n->certificate, f) &&
	       find(n, "nvmlDeviceGetConfComputeGpuAttestationReport",
		   &n->report, f) &&
	       (n->init() == 0 ||
		   fault_set(f, FAULT_UNAVAILABLE, "NVML does not start"));
}

static json_t *
base64_json(const void *at, size_t len)
{
	char text[BASE64_SIZE(0x2000)];

	base64_encode(bytes_of(at, len), text);
	return json_string(text);
}

static bool
add_gpu(const struct nvml *n, unsigned index, const uint8_t nonce[32],
    json_t *list, unsigned *arch, struct fault *f)
{
	struct nvml_certificate c = {0};
	struct nvml_report r = {0};
	void *device = NULL;
	int status;

	memcpy(r.nonce, nonce, sizeof(r.nonce));
	status = n->handle(index, &device);
	if (status == 0)
		status = n->architecture(device, arch);
	if (status == 0)
		status = n->certificate(device, &c);
	if (status == 0)
		status = n->report(device, &r);
	if (status != 0)
		return fault_set(f, FAULT_UNAVAILABLE,
		    "NVML: GPU %u gives no evidence (status %d)", index,
		    status);
	if (r.size > sizeof(r.report) ||
	    c.attestation_chain_size > sizeof(c.attestation_chain))
		return fault_set(f, FAULT_INVALID,
		    "NVML: GPU %u gives sizes that cannot be", index);
	json_array_append_new(list,
	    json_pack("{s:o, s:o}", "evidence", base64_json(r.report, r.size),
		"certificate",
		base64_json(c.attestation_chain, c.attestation_chain_size)));
	return true;
}

static bool
gather(const struct evidence_question *q, json_t *items, struct fault *f)
{
	struct nvml n = {0};
	json_t *list = json_array();
	unsigned count = 0, arch = 0;
	bool ok;

	ok = load(&n, q->settings->nvml, f);
	if (ok && (n.count(&count) != 0 || count == 0 || count > GPUS_MAX))
		ok = fault_set(f, FAULT_UNAVAILABLE, "NVML: %u GPUs", count);
	for (unsigned i = 0; ok && i < count; i++)
		ok = add_gpu(&n, i, q->nonce, list, &arch, f);
	if (ok)
		json_array_append_new(items,
		    json_pack("{s:s, s:s, s:O}", "kind", "nvidia", "arch",
			arch == ARCH_BLACKWELL ? "BLACKWELL" : "HOPPER",
			"evidence_list", list));
	json_decref(list);
	return ok; /* the child ends, and the library with it */
}

static bool
is_set(const struct evidence_settings *s)
{
	return s->nvml != NULL;
}

const struct evidence_source nvml_source = {"nvml", is_set, gather};
