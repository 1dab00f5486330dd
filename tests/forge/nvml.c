/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands in for NVIDIA's management library: two GPUs whose reports are
 * forged. A copy of it lies in the folder of a forged machine, beside a link
 * to forge, and looks there for both. The structures are those of NVML's
 * published header, as provider/evidence_nvml.c reads them.
 */
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GPUS = 2, NVML_ARGUMENT = 2, NVML_UNKNOWN = 999, ARCH_HOPPER = 9 };

struct certificate {
	unsigned chain_size;
	unsigned attestation_chain_size;
	unsigned char chain[0x1000];
	unsigned char attestation_chain[0x1400];
};
struct report {
	unsigned cec_present;
	unsigned size;
	unsigned cec_size;
	unsigned char nonce[32];
	unsigned char report[0x2000];
	unsigned char cec_report[0x1000];
};

int nvmlInit_v2(void);
int nvmlDeviceGetCount_v2(unsigned *out);
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **out);
int nvmlDeviceGetArchitecture(void *device, unsigned *out);
int nvmlDeviceGetConfComputeGpuCertificate(
    void *device, struct certificate *out);
int nvmlDeviceGetConfComputeGpuAttestationReport(
    void *device, struct report *out);

static int devices[GPUS];

/* The folder this library was loaded from. */
static int
folder(char out[PATH_MAX])
{
	Dl_info info;
	char *slash;

	if (dladdr(&devices, &info) == 0 || info.dli_fname == NULL)
		return 0;
	snprintf(out, PATH_MAX, "%s", info.dli_fname);
	slash = strrchr(out, '/');
	if (slash != NULL)
		*slash = '\0';
	return slash != NULL;
}

int
nvmlInit_v2(void)
{
	return 0;
}

int
nvmlDeviceGetCount_v2(unsigned *out)
{
	*out = GPUS;
	return 0;
}

int
nvmlDeviceGetHandleByIndex_v2(unsigned index, void **out)
{
	if (index >= GPUS)
		return NVML_ARGUMENT;
	*out = &devices[index];
	return 0;
}

int
nvmlDeviceGetArchitecture(void *device, unsigned *out)
{
	(void)device;
	*out = ARCH_HOPPER;
	return 0;
}

static int
index_of(const void *device)
{
	return (int)((const int *)device - devices);
}

int
nvmlDeviceGetConfComputeGpuCertificate(void *device, struct certificate *out)
{
	char at[PATH_MAX], path[PATH_MAX + 64];
	FILE *in;

	if (!folder(at))
		return NVML_UNKNOWN;
	snprintf(
	    path, sizeof(path), "%s/parts/gpu-%d.pem", at, index_of(device));
	in = fopen(path, "r");
	if (in == NULL)
		return NVML_UNKNOWN;
	out->attestation_chain_size = (unsigned)fread(
	    out->attestation_chain, 1, sizeof(out->attestation_chain), in);
	fclose(in);
	return out->attestation_chain_size > 0 ? 0 : NVML_UNKNOWN;
}

/* forge prints hexadecimal. */
static unsigned
read_hex(FILE *in, unsigned char *out, size_t size)
{
	unsigned n = 0, byte;

	while (n < size && fscanf(in, "%2x", &byte) == 1)
		out[n++] = (unsigned char)byte;
	return n;
}

int
nvmlDeviceGetConfComputeGpuAttestationReport(void *device, struct report *out)
{
	char at[PATH_MAX], nonce[65], command[PATH_MAX + 160];
	FILE *in;

	if (!folder(at))
		return NVML_UNKNOWN;
	for (size_t i = 0; i < 32; i++)
		snprintf(nonce + 2 * i, 3, "%02x", out->nonce[i]);
	snprintf(command, sizeof(command),
	    "cd '%s' && ./forge gpu . %s %d $(cat gpu-words)", at, nonce,
	    index_of(device));
	in = popen(command, "r");
	if (in == NULL)
		return NVML_UNKNOWN;
	out->size = read_hex(in, out->report, sizeof(out->report));
	return pclose(in) == 0 && out->size > 0 ? 0 : NVML_UNKNOWN;
}
