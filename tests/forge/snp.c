/* SPDX-License-Identifier: Apache-2.0 */
/* An AMD Genoa platform: ARK, ASK, one chip's VCEK, reports. See forge.h. */
#include "tests/forge/forge.h"

#include <openssl/rsa.h>

#include "attestation/snp_report.h"
#include "base/codec.h"

enum {
	AT_POLICY = 0x08,
	AT_CURRENT_TCB = 0x38,
	AT_REPORT_DATA = 0x50,
	AT_MEASUREMENT = 0x90,
	AT_REPORTED_TCB = 0x180,
	AT_CPUID = 0x188,
	AT_CHIP_ID = 0x1a0,
	AT_COMMITTED_TCB = 0x1e0,
	AT_LAUNCH_TCB = 0x1f0,
	AT_SIGNATURE = 0x2a0
};

static const uint8_t tcb[8] = {9, 0, 0, 0, 0, 0, 0x15, 0x48};

struct chip {
	struct arena *a;
	struct forged ark, ask, leaf;
	uint8_t id[64];
};

static void
authority(struct forged *out, const struct forged *issuer, const char *name,
    long serial)
{
	EVP_PKEY *key = EVP_RSA_gen(3072);

	forge(out, issuer,
	    &(struct forge_wish){
		.name = name, .curve = "P-256", .ca = true, .serial = serial});
	EVP_PKEY_free(out->key);
	out->key = key;
	X509_set_pubkey(out->x509, key);
	forge_sign_pss(out->x509, issuer != NULL ? issuer->key : key);
}

#define AMD "1.3.6.1.4.1.3704.1."

static void
make_leaf(struct chip *c)
{
	static const uint8_t product[] = {0x16, 5, 'G', 'e', 'n', 'o', 'a'};
	static const uint8_t boot[] = {2, 1, 9}, tee[] = {2, 1, 0};
	static const uint8_t snp[] = {2, 1, 0x15}, ucode[] = {2, 1, 0x48};

	forge(&c->leaf, &c->ask,
	    &(struct forge_wish){.name = "SEV-VCEK",
		.curve = "P-384",
		.serial = 7,
		.extension = {{AMD "2", bytes_of(product, sizeof(product))},
		    {AMD "3.1", bytes_of(boot, 3)},
		    {AMD "3.2", bytes_of(tee, 3)},
		    {AMD "3.3", bytes_of(snp, 3)},
		    {AMD "3.8", bytes_of(ucode, 3)},
		    {AMD "4", bytes_of(c->id, sizeof(c->id))}}});
	forge_sign_pss(c->leaf.x509, c->ask.key);
}

static void
begin(struct chip *c)
{
	memset(c, 0, sizeof(*c));
	c->a = arena_new();
	memset(c->id, 0x5a, sizeof(c->id));
}

static void
end(struct chip *c)
{
	forged_free(&c->ark);
	forged_free(&c->ask);
	forged_free(&c->leaf);
	arena_free(&c->a);
}

static void
load(struct chip *c, const char *folder)
{
	begin(c);
	forge_load(folder, "snp.pem",
	    (struct forged *const[]){&c->ark, &c->ask, &c->leaf}, 3);
}

void
forge_snp_new(const char *folder, struct roots *r)
{
	struct chip c;

	begin(&c);
	authority(&c.ark, NULL, "ARK-Genoa", 1);
	authority(&c.ask, &c.ark, "SEV-Genoa", 2);
	make_leaf(&c);
	forge_save(folder, "snp.pem",
	    (const struct forged *const[]){&c.ark, &c.ask, &c.leaf}, 3);
	r->at[r->count++] = c.ark;
	r->at[r->count++] = c.ask;
	c.ark = c.ask = (struct forged){NULL, NULL};
	end(&c);
}

void
forge_snp_publish(const char *folder, const struct publication *p)
{
	struct text chain;
	struct bytes leaf;
	struct chip c;

	load(&c, folder);
	chain = forged_pem(c.a, (const struct forged[]){c.ask, c.ark}, 2);
	leaf = forged_der(c.a, c.leaf.x509);
	forge_write(
	    c.a, folder, "parts/amd/cert_chain", bytes_of(chain.at, chain.len));
	forge_write(c.a, folder, "parts/amd/vcek", leaf);
	forge_write(c.a, folder, "parts/amd/crl",
	    forge_published(c.a, &c.ark, p->revoked ? 7 : 0, p));
	end(&c);
}

static void
wish(uint8_t *report, const char *word)
{
	if (strcmp(word, "debug") == 0)
		report[AT_POLICY + 2] = 0x0b;
	else if (strncmp(word, "measurement=", 12) == 0)
		forge_hex(word + 12, report + AT_MEASUREMENT, 48);
	else
		forge_must(false);
}

static void
sign_report(const struct chip *c, uint8_t *report)
{
	uint8_t rs[96];

	forge_sign(
	    c->leaf.key, EVP_sha384(), bytes_of(report, AT_SIGNATURE), rs, 48);
	for (int i = 0; i < 48; i++) {
		report[AT_SIGNATURE + i] = rs[47 - i];
		report[AT_SIGNATURE + 72 + i] = rs[95 - i];
	}
}

void
forge_snp_report(const char *folder, int argc, char **argv)
{
	uint8_t report[SNP_REPORT_SIZE] = {3, [AT_POLICY + 2] = 0x03};
	struct chip c;

	load(&c, folder);
	report[0x34] = 1;
	memcpy(report + AT_CURRENT_TCB, tcb, 8);
	memcpy(report + AT_REPORTED_TCB, tcb, 8);
	memcpy(report + AT_COMMITTED_TCB, tcb, 8);
	memcpy(report + AT_LAUNCH_TCB, tcb, 8);
	memcpy(report + AT_CPUID, "\x19\x11\x01", 3);
	memcpy(report + AT_CHIP_ID, c.id, 64);
	memset(report + AT_MEASUREMENT, 0xcd, 48);
	forge_hex(argv[0], report + AT_REPORT_DATA, 64);
	for (int i = 1; i < argc; i++)
		wish(report, argv[i]);
	sign_report(&c, report);
	forge_print(c.a, bytes_of(report, sizeof(report)));
	end(&c);
}
