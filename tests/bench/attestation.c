/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_attestation FOLDER: what a verdict on real evidence of the vectors
 * costs in CPU time, everything verified anew and with verified collateral
 * kept, beside the bare signatures that it needs, timed in the same run. Prints
 * the median and the 99th percentile of each in microseconds, and the ratio to
 * the limit.
 */
#include <openssl/ec.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "attestation/nvidia.h"
#include "attestation/rim_kept.h"
#include "attestation/snp.h"
#include "attestation/tdx.h"
#include "base/file.h"
#include "base/mem.h"

#define FILE_MAX_BYTES ((size_t)8 << 20)
#define FLEET 1000 /* nodes that a change of policy concerns */

struct job {
	const char *name;
	bool (*run)(void *arg);
	void *arg;
};

struct timing {
	double median, p99;
};

static int
compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

/* CPU time of this process: others on the machine do not count. */
static int64_t
cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static struct timing
measure(const struct job *j, int samples, int batch)
{
	int64_t *took = mem_array((size_t)samples, sizeof(*took));
	struct timing t;
	int i, k;

	for (i = 0; i < samples; i++) {
		int64_t start = cpu_ns();

		for (k = 0; k < batch; k++)
			if (!j->run(j->arg)) {
				fprintf(stderr, "%s did not hold\n", j->name);
				exit(1);
			}
		took[i] = cpu_ns() - start;
	}
	qsort(took, (size_t)samples, sizeof(*took), compare);
	t.median = (double)took[samples / 2] / batch / 1000;
	t.p99 = (double)took[samples * 99 / 100] / batch / 1000;
	mem_free(took);
	return t;
}

static struct bytes
read_file(struct arena *a, const char *folder, const char *path)
{
	struct fault f = {0};
	char *at;
	size_t len;

	if (!file_read(arena_printf(a, "%s/%s", folder, path), FILE_MAX_BYTES,
		&at, &len, &f)) {
		fprintf(stderr, "%s\n", f.why);
		exit(2);
	}
	return bytes_of(at, len);
}

static int64_t
time_at(const char *text)
{
	int64_t ms = 0;

	time_of_rfc3339(text_of(text), &ms);
	return ms;
}

/* A bare verification: key kept, message hashed as evidence's would be. */
struct bare {
	EVP_PKEY *key;
	const EVP_MD *digest;
	uint8_t message[632];
	uint8_t signature[1024];
	size_t signature_len;
	bool pss;
};

static EVP_MD_CTX *
bare_start(struct bare *b, bool sign)
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	EVP_PKEY_CTX *k = NULL;

	if (sign)
		EVP_DigestSignInit(md, &k, b->digest, NULL, b->key);
	else
		EVP_DigestVerifyInit(md, &k, b->digest, NULL, b->key);
	if (b->pss) {
		EVP_PKEY_CTX_set_rsa_padding(k, RSA_PKCS1_PSS_PADDING);
		EVP_PKEY_CTX_set_rsa_pss_saltlen(k, 48);
	}
	return md;
}

static void
bare_make(struct bare *b, EVP_PKEY *key, const EVP_MD *digest, bool pss)
{
	EVP_MD_CTX *md;

	memset(b, 0, sizeof(*b));
	b->key = key;
	b->digest = digest;
	b->pss = pss;
	b->signature_len = sizeof(b->signature);
	md = bare_start(b, true);
	EVP_DigestSign(md, b->signature, &b->signature_len, b->message,
	    sizeof(b->message));
	EVP_MD_CTX_free(md);
}

static bool
bare_run(void *arg)
{
	struct bare *b = arg;
	EVP_MD_CTX *md = bare_start(b, false);
	bool holds = EVP_DigestVerify(md, b->signature, b->signature_len,
			 b->message, sizeof(b->message)) == 1;

	EVP_MD_CTX_free(md);
	return holds;
}

struct tdx_case {
	struct bytes quote, bundle;
	struct tdx_collateral *kept;
	int64_t now;
};

static struct tdx_collateral *
take_in(struct arena *a, const struct tdx_case *c)
{
	struct tdx_collateral *out = NULL;
	struct tdx_source s;
	struct verdict v;
	struct fault f = {0};

	verdict_init(&v, a, c->now);
	if (!tdx_source_of_bundle(a,
		(struct text){(const char *)c->bundle.at, c->bundle.len}, &s,
		&f) ||
	    !tdx_collateral_new(&s, anchors_pinned(), true, &v, &out))
		return NULL;
	return out;
}

static bool
tdx_run(struct arena *a, const struct tdx_case *c,
    const struct tdx_collateral *collateral)
{
	struct tdx_judgement j;
	struct verdict v;

	verdict_init(&v, a, c->now);
	return collateral != NULL &&
	       tdx_verify(c->quote, collateral, NULL, c->now, &v, &j) &&
	       verdict_conclude(&v);
}

static bool
tdx_cold(void *arg)
{
	struct arena *a = arena_new();
	struct tdx_collateral *c = take_in(a, arg);
	bool held = tdx_run(a, arg, c);

	tdx_collateral_free(&c);
	arena_free(&a);
	return held;
}

static bool
tdx_kept(void *arg)
{
	struct tdx_case *c = arg;
	struct arena *a = arena_new();
	bool held = tdx_run(a, c, c->kept);

	arena_free(&a);
	return held;
}

struct snp_case {
	struct bytes report;
	struct snp_source source;
	struct snp_key *kept;
	struct policy policy;
	int64_t now;
};

static bool
snp_run(struct arena *a, const struct snp_case *c, const struct snp_key *k)
{
	struct snp_report r;
	struct verdict v;

	verdict_init(&v, a, c->now);
	return snp_verify(c->report, k, &c->policy, c->now, &v, &r) &&
	       verdict_conclude(&v);
}

static bool
snp_cold(void *arg)
{
	struct snp_case *c = arg;
	struct arena *a = arena_new();
	struct snp_key *k = NULL;
	struct verdict v;
	bool held;

	verdict_init(&v, a, c->now);
	held = snp_key_new(&c->source, anchors_pinned(), false, &v, &k) &&
	       snp_run(a, c, k);
	snp_key_free(&k);
	arena_free(&a);
	return held;
}

static bool
snp_kept(void *arg)
{
	struct snp_case *c = arg;
	struct arena *a = arena_new();
	bool held = snp_run(a, c, c->kept);

	arena_free(&a);
	return held;
}

static double
show(const char *name, bool (*run)(void *), void *arg, int batch, double limit)
{
	const struct job j = {name, run, arg};
	struct timing t;

	measure(&j, 20, batch);
	t = measure(&j, 300, batch);
	printf("%-34s %9.1f %9.1f", name, t.median, t.p99);
	if (limit > 0)
		printf(" %9.1f %6.2f", limit, t.median / limit);
	putchar('\n');
	return t.median;
}

static void
bench_tdx(struct arena *a, const char *folder, double p256)
{
	static const struct {
		const char *name, *quote, *bundle, *at;
	} cases[] = {
	    {"v4", "tdx/quotes/near-model.bin",
		"tdx/collateral/90c06f-20260610_014855.json",
		"2026-06-25T01:00:20Z"},
	    {"v5", "tdx/quotes/gtdx-quote-v5-sample.bin",
		"tdx/collateral/90c06f-20260218.json", "2026-03-01T00:00:00Z"},
	};
	struct tdx_case c;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		c.quote = read_file(a, folder, cases[i].quote);
		c.bundle = read_file(a, folder, cases[i].bundle);
		c.now = time_at(cases[i].at);
		c.kept = take_in(a, &c);
		show(arena_printf(a, "TDX %s, all anew", cases[i].name),
		    tdx_cold, &c, 10, 10 * p256);
		show(arena_printf(a, "TDX %s, collateral kept", cases[i].name),
		    tdx_kept, &c, 10, 3 * p256);
		tdx_collateral_free(&c.kept);
	}
}

static void
bench_snp(struct arena *a, const char *folder, double p384, double rsa)
{
	struct snp_case c = {.now = time_at("2026-07-01T00:00:00Z")};
	struct bytes chain;
	struct verdict v;

	c.report = read_file(a, folder, "snp/reports/milan-v3-dstack.bin");
	c.source.leaf = read_file(a, folder, "snp/certs/milan-v3-dstack.der");
	chain = read_file(a, folder, "anchors/amd-milan-vcek-chain.pem");
	c.source.chain = (struct text){(const char *)chain.at, chain.len};
	c.policy = policy_defaults();
	c.policy.revocation = false;
	c.policy.snp.present = c.policy.snp.any_workload = true;
	verdict_init(&v, a, c.now);
	snp_key_new(&c.source, anchors_pinned(), false, &v, &c.kept);
	show("SNP, all anew", snp_cold, &c, 4, p384 + 2 * rsa);
	show("SNP, key kept", snp_kept, &c, 4, p384);
	snp_key_free(&c.kept);
}

struct gpu_case {
	struct bytes report, chain;
	struct nvidia_rules rules;
	struct nvidia_kept kept;
};

static bool
gpu_run(const struct gpu_case *c, struct nvidia_kept *kept)
{
	struct arena *a = arena_new();
	struct nvidia_rules r = c->rules;
	struct nvidia_device d;
	struct verdict v;
	bool held;

	r.kept = kept;
	verdict_init(&v, a, r.now_ms);
	held =
	    nvidia_device_judge(&v, &r, NVIDIA_GPU, c->report,
		(struct text){(const char *)c->chain.at, c->chain.len}, &d) &&
	    verdict_conclude(&v);
	arena_free(&a);
	return held;
}

static bool
gpu_cold(void *arg)
{
	return gpu_run(arg, NULL);
}

static bool
gpu_kept(void *arg)
{
	struct gpu_case *c = arg;

	return gpu_run(c, &c->kept);
}

static void
bench_gpu(struct arena *a, const char *folder, double p384)
{
	struct gpu_case *c = arena_alloc(a, sizeof(*c));

	c->report = read_file(a, folder, "nvidia/reports/hopper-550.90.07.bin");
	c->chain = read_file(a, folder, "nvidia/chains/hopper-550.90.07.pem");
	c->rules.anchors = anchors_pinned();
	c->rules.now_ms = time_at("2026-01-15T00:00:00Z");
	c->rules.nonce = bytes_of(c->report.at + 4, 32);
	show("GPU, all anew", gpu_cold, c, 2, 5 * p384);
	show("GPU, chain kept", gpu_kept, c, 4, p384);
	nvidia_kept_clear(&c->kept);
}

/* A node of one GPU as a fleet has many: chains of their own, one VBIOS. */
struct node_case {
	struct gpu_case gpu;
	struct bytes body;
	struct rim_kept *rims; /* NULL: each manifest anew */
};

static const struct rim *
node_manifest(struct node_case *c, struct arena *a)
{
	const struct rim_rules r = {
	    c->gpu.rules.anchors, NULL, c->gpu.rules.now_ms};
	struct rim *rim =
	    c->rims != NULL ? rim_kept_find(c->rims, c->body, &r, a) : NULL;
	struct chain signer;
	struct fault f;

	if (rim != NULL)
		return rim;
	rim = arena_alloc(a, sizeof(*rim));
	if (!rim_read_signed(a, c->body, &r, rim, &signer, &f))
		return NULL;
	if (c->rims != NULL)
		rim_kept_add(c->rims, c->body, rim, &signer);
	chain_free(&signer);
	return rim;
}

static bool
node_run(void *arg)
{
	struct node_case *c = arg;
	struct arena *a = arena_new();
	struct nvidia_device d;
	const struct rim *rim;
	struct verdict v;
	bool held;

	verdict_init(&v, a, c->gpu.rules.now_ms);
	held =
	    nvidia_device_judge(&v, &c->gpu.rules, NVIDIA_GPU, c->gpu.report,
		(struct text){(const char *)c->gpu.chain.at, c->gpu.chain.len},
		&d) &&
	    (rim = node_manifest(c, a)) != NULL &&
	    nvidia_manifests_judge(&v, &d, NULL, rim) && verdict_conclude(&v);
	arena_free(&a);
	return held;
}

/* What a change of policy costs a worker in all, one node a turn. */
static void
show_fleet(const char *name, struct node_case *c)
{
	int64_t all = 0, most = 0;

	for (int i = 0; i < FLEET; i++) {
		int64_t start = cpu_ns(), took;

		if (!node_run(c))
			exit(1);
		took = cpu_ns() - start;
		all += took;
		most = took > most ? took : most;
	}
	printf("%-34s %9.0f in all, %.0f at most in one turn\n", name,
	    (double)all / 1000, (double)most / 1000);
}

static void
bench_fleet(struct arena *a, const char *folder)
{
	struct node_case *c = arena_alloc(a, sizeof(*c));
	struct rim_kept *rims = mem_new(sizeof(*rims));

	c->gpu.report =
	    read_file(a, folder, "nvidia/reports/hopper-535.86.09.bin");
	c->gpu.chain =
	    read_file(a, folder, "nvidia/chains/hopper-535.86.09.pem");
	c->body = read_file(
	    a, folder, "nvidia/rims/NV_GPU_VBIOS_1010_0200_882_96005E0001.xml");
	c->gpu.rules.anchors = anchors_pinned();
	c->gpu.rules.now_ms = time_at("2024-06-01T00:00:00Z");
	c->gpu.rules.nonce = bytes_of(c->gpu.report.at + 4, 32);
	show("GPU and manifest, all anew", node_run, c, 1, 0);
	show_fleet("1000 such again, all anew", c);
	c->rims = rims;
	show("GPU and manifest, manifest kept", node_run, c, 1, 0);
	show_fleet("1000 such again, manifest kept", c);
	c->gpu.rules.kept = &c->gpu.kept;
	show("GPU and manifest, both kept", node_run, c, 1, 0);
	show_fleet("1000 such again, both kept", c);
	nvidia_kept_clear(&c->gpu.kept);
	rim_kept_clear(rims);
	mem_free(rims);
}

int
main(int argc, char **argv)
{
	struct arena *a = arena_new();
	static struct bare p256, p384, rsa;
	double of_p256, of_p384, of_rsa;

	if (argc != 2) {
		fprintf(stderr, "usage: bench_attestation VECTORS\n");
		return 2;
	}
	bare_make(&p256, EVP_EC_gen("P-256"), EVP_sha256(), false);
	bare_make(&p384, EVP_EC_gen("P-384"), EVP_sha384(), false);
	bare_make(&rsa, EVP_RSA_gen(4096), EVP_sha384(), true);
	printf("%-34s %9s %9s %9s %6s\n", "microseconds", "median", "p99",
	    "limit", "ratio");
	of_p256 = show("bare P-256 verification", bare_run, &p256, 20, 0);
	of_p384 = show("bare P-384 verification", bare_run, &p384, 4, 0);
	of_rsa = show("bare RSA-4096 verification", bare_run, &rsa, 20, 0);
	bench_tdx(a, argv[1], of_p256);
	bench_snp(a, argv[1], of_p384, of_rsa);
	bench_gpu(a, argv[1], of_p384);
	bench_fleet(a, argv[1]);
	arena_free(&a);
	return 0;
}
