// SPDX-License-Identifier: Apache-2.0
// Promise: what we say about a token of an attestation service, an independent
// library says too. Where the two differ, ours refuses for something that no
// JWT library looks at: the devices, their digests, the nonce, the result.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { compactVerify, importJWK, jwtVerify } from "jose";
import { BUILD, ROOT } from "./lib/program.mjs";

const VECTORS = path.resolve(ROOT, process.env.ASSAY_VECTORS ??
	"../shared/vectors");
const RUNNER = path.join(BUILD, "tests/vectors");
const INDEX = "nras/cases.json";
// What a library that knows tokens but not their meaning cannot see.
const BEYOND = ["measurement_mismatch", "nonce_mismatch", "mismatch",
	"tampered"];

const missing = [VECTORS, RUNNER].find((file) => !fs.existsSync(file));

const read = (file) => JSON.parse(
	fs.readFileSync(path.join(VECTORS, file), "utf8"));

// "show INDEX ID CODE CHECK # why", one line a case.
function ours() {
	const out = execFileSync(RUNNER, [VECTORS], { encoding: "utf8",
		env: { ...process.env, VECTORS_SHOW: "1" },
		maxBuffer: 64 << 20 });
	const verdicts = new Map();
	for (const line of out.split("\n")) {
		const [word, index, id, code, check] = line.split(" ");
		if (word === "show" && index === INDEX)
			verdicts.set(id, { code, check });
	}
	return verdicts;
}

// The overall token alone: signature by the key of its kid, issuer, times.
async function theirs(c) {
	const [[, token]] = read(c.token);
	const { kid } = JSON.parse(Buffer.from(token.split(".")[0],
		"base64url"));
	const jwk = read(c.jwks).keys.find((key) => key.kid === kid);
	if (!jwk)
		return "no key";
	try {
		await jwtVerify(token, await importJWK(jwk, "ES384"), {
			algorithms: ["ES384"], currentDate: new Date(c.verify_at),
			issuer: "https://nras.attestation.nvidia.com",
			requiredClaims: ["iat", "nbf", "exp"] });
		return null;
	} catch (error) {
		return error.code;
	}
}

test("tokens are judged as jose judges them, and further", {
	skip: missing && `no ${path.basename(missing)}` }, async () => {
	const verdicts = ours();
	const cases = read(INDEX);

	assert.ok(cases.length >= 18);
	for (const c of cases) {
		const we = verdicts.get(c.id);
		const they = await theirs(c);

		assert.ok(we, `${c.id}: no verdict`);
		if (they !== null)
			assert.notEqual(we.code, "ok", `${c.id}: jose says ${they}`);
		else if (we.code !== "ok")
			assert.ok(BEYOND.includes(we.code) &&
				we.check !== "nras.signature",
				`${c.id}: ${we.code} by ${we.check}`);
	}
});

test("every device token of an accepted answer verifies alone", {
	skip: missing && `no ${path.basename(missing)}` }, async () => {
	let devices = 0;

	for (const c of read(INDEX).filter((one) => one.expect === "accept")) {
		const keys = read(c.jwks).keys;
		for (const token of Object.values(read(c.token)[1])) {
			const { protectedHeader } = await compactVerify(token,
				async ({ kid }) => importJWK(
					keys.find((key) => key.kid === kid), "ES384"),
				{ algorithms: ["ES384"] });
			assert.equal(protectedHeader.alg, "ES384");
			devices++;
		}
	}
	assert.ok(devices >= 25);
});
