// SPDX-License-Identifier: Apache-2.0
// Promise: a code makes one device, once; a device renews by its own certificate;
// keys are published with headers that let everybody cache them.
import assert from "node:assert/strict";
import { createHash, X509Certificate } from "node:crypto";
import fs from "node:fs";
import https from "node:https";
import { after, before, describe, test } from "node:test";
import { Assay, call, makeCsr, makeKey, run } from "./harness.mjs";

let assay, csr, key;

before(async () => {
	assay = await Assay.start();
	await assay.workspace("new");
	key = await makeKey(assay.path("device.key"));
	csr = await makeCsr(key);
});
after(() => assay?.close());

const enrol = (json) => call(`${assay.authUrl}/v1/devices`,
	{ ca: assay.ca, json });

describe("enrolment", () => {
	test("gives a certificate for the key, and says all it should", async () => {
		const code = await assay.code("new");
		const answer = await enrol({ code, csr });
		assert.equal(answer.status, 201, answer.text);
		assert.equal(answer.json.issuer, assay.issuer);
		const { did, certificate_chain: chain, gateway_ca: ca, tunnels,
			renew_after: renew, expires_at: expires } = answer.json;
		const leaf = new X509Certificate(chain);
		assert.equal(leaf.subjectAltName, `URI:${did}`);
		assert.ok(leaf.keyUsage.includes("1.3.6.1.5.5.7.3.2"));
		assert.ok(leaf.verify(new X509Certificate(
			fs.readFileSync(assay.deviceCa)).publicKey));
		assert.match(ca, /BEGIN CERTIFICATE/);
		assert.deepEqual(tunnels, [assay.tunnel]);
		assert.ok(Date.parse(renew) > Date.now());
		assert.ok(Date.parse(expires) > Date.parse(renew));

		const again = await enrol({ code, csr: await makeCsr(
			await makeKey(assay.path("second.key"))) });
		assert.ok(again.status >= 400, "a code works once");
		assert.equal(Number(await assay.postgres.value("select count(*)"
			+ ` from assay.device where did = '${did}'`)), 1);

		const document = await call(`${assay.authUrl}/v1/devices/`
			+ `${encodeURIComponent(did)}/did.json`, { ca: assay.ca });
		assert.equal(document.status, 200, document.text);
		assert.equal(document.json.id, did);
		assay.device = { did, chain };
	});

	test("renews over mTLS, and the old certificate stays good", async () => {
		const { did, chain } = assay.device;
		const where = `${assay.authUrl}/v1/devices/`
			+ `${encodeURIComponent(did)}/renew`;
		const fresh = await makeKey(assay.path("fresh.key"));
		const json = { csr: await makeCsr(fresh) };
		const agent = new https.Agent({ ca: assay.ca, cert: chain,
			key: fs.readFileSync(key) });
		const answer = await call(where, { agent, json });
		assert.ok([200, 201].includes(answer.status), answer.text);
		const leaf = new X509Certificate(answer.json.certificate_chain);
		assert.equal(leaf.subjectAltName, `URI:${did}`);
		assert.notEqual(leaf.serialNumber,
			new X509Certificate(chain).serialNumber);
		assert.equal(Number(await assay.postgres.value("select count(*)"
			+ " from assay.device_certificate where did ="
			+ ` '${did}' and revoked_at is null`)), 2);
		const bare = await call(where, { ca: assay.ca, json })
			.catch(() => ({ status: 401 }));
		assert.ok(bare.status >= 400, "not without a certificate");
	});

	test("refuses what is no code", async () => {
		for (const code of ["", "x", "A".repeat(32), "x".repeat(10000),
			"' or 1=1 --"]) {
			const answer = await enrol({ code, csr });
			assert.ok(answer.status >= 400 && answer.status < 500,
				answer.text);
			assert.equal(typeof answer.code, "string");
		}
	});

	test("refuses what is no P-256 request", async () => {
		const rsa = assay.path("rsa.key"), p384 = assay.path("p384.key");
		await run("openssl", ["genrsa", "-out", rsa, "2048"]);
		await run("openssl", ["ecparam", "-name", "secp384r1", "-genkey",
			"-noout", "-out", p384]);
		const code = await assay.code("new");
		for (const bad of ["", "x", csr.replace(/A/g, "B"),
			await makeCsr(rsa), await makeCsr(p384), `${csr}${csr}`,
			"x".repeat(100_000)]) {
			const answer = await enrol({ code, csr: bad });
			assert.ok(answer.status >= 400 && answer.status < 500,
				answer.text);
		}
		assert.equal((await enrol({ code, csr })).status, 201,
			"and the code is not used up by that");
	});

	test("refuses bodies that are not what they should be", async () => {
		for (const json of [[], 7, {}, { code: 1, csr: 2 }, null]) {
			const answer = await enrol(json);
			assert.ok(answer.status >= 400 && answer.status < 500);
		}
	});
});

describe("the keys", () => {
	test("are served with caching headers", async () => {
		const where = `${assay.authUrl}/.well-known/jwks.json`;
		const answer = await call(where, { ca: assay.ca });
		assert.equal(answer.status, 200);
		assert.match(answer.headers["cache-control"], /public/);
		assert.match(answer.headers["cache-control"], /max-age=300/);
		assert.match(answer.headers["cache-control"],
			/stale-if-error=86400/);
		assert.ok(answer.headers.etag);
		const same = await call(where, { ca: assay.ca, headers: {
			"if-none-match": answer.headers.etag } });
		assert.equal(same.status, 304);
		for (const one of answer.json.keys) {
			assert.equal(one.kty, "EC");
			assert.equal(one.crv, "P-256");
			assert.equal(one.d, undefined);
			assert.equal(one.kid, createHash("sha256").update(
				JSON.stringify({ crv: one.crv, kty: one.kty,
					x: one.x, y: one.y })).digest("base64url"));
		}
	});
});
