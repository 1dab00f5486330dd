// SPDX-License-Identifier: Apache-2.0
// Promise: a handoff is what the published keys say it is, and a provider takes
// nothing else: each forgery is refused with a code of its own. `jose` reads and
// forges; our own code stands only on the other side.
import assert from "node:assert/strict";
import { createHash, createPrivateKey, createPublicKey, createSign, randomUUID }
	from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import tls from "node:tls";
import { after, before, describe, test } from "node:test";
import { SignJWT, createLocalJWKSet, decodeProtectedHeader, decodeJwt, exportJWK,
	generateKeyPair, jwtVerify } from "jose";
import { Assay, call, until } from "./harness.mjs";

const MODEL = "lovelace:pretend", OTHER = "lovelace:other";
let assay, daemon, runtime, key, jwks, privateKey;

const now = () => Math.floor(Date.now() / 1000);

async function mint(model = MODEL, task = "chat") {
	const answer = await assay.call("/v1/handoffs", { key,
		json: { task, model } });
	assert.equal(answer.status, 200, answer.text);
	return answer.json;
}

// The provider's own listener, with whatever is given as credential.
function direct(token, { model = MODEL, where = "/v1/chat/completions" } = {}) {
	return call(`${daemon.direct}${where}`, { key: token,
		rejectUnauthorized: false, json: { model,
			messages: [{ role: "user", content: "hello" }] } });
}

// The signing key is a PEM file of assay-auth's state folder.
function signingKey(kid) {
	for (const name of fs.readdirSync(assay.keysFolder,
		{ recursive: true })) {
		const file = path.join(assay.keysFolder, name);
		if (!fs.statSync(file).isFile())
			continue;
		const text = fs.readFileSync(file, "utf8");
		if (!/PRIVATE KEY/.test(text))
			continue;
		const secret = createPrivateKey(text);
		const { x, y } = createPublicKey(secret)
			.export({ format: "jwk" });
		if (jwks.keys.some((one) => one.kid === kid
			&& one.x === x && one.y === y))
			return secret;
	}
	throw new Error(`no private key file for ${kid}`);
}

function claims(more = {}) {
	return { iss: assay.issuer, aud: daemon.did, sub: randomUUID(),
		workspace: randomUUID(), task: "chat", model: MODEL,
		pool: "workspace", request_id: randomUUID(), jti: randomUUID(),
		iat: now(), nbf: now(), exp: now() + 60, ...more };
}

function header(more = {}) {
	return { alg: "ES256", typ: "handoff+jwt", kid: jwks.keys[0].kid,
		...more };
}

function sign(some, head = {}) {
	return new SignJWT(claims(some)).setProtectedHeader(header(head))
		.sign(privateKey);
}

const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

async function refused(token, code) {
	const seen = runtime.requests.length;
	const answer = await direct(token);
	assert.equal(answer.code, code, answer.text);
	assert.equal(answer.status, code === "token_not_advertised" ? 403 : 401,
		answer.text);
	assert.equal(runtime.requests.length, seen, "the runtime saw nothing");
}

before(async () => {
	assay = await Assay.start();
	await assay.workspace("acme");
	const file = await assay.pretend(MODEL);
	const other = await assay.pretend(OTHER);
	runtime = await assay.scriptedRuntime();
	daemon = await assay.daemon("acme", runtime,
		[[MODEL, file, ["chat"]], [OTHER, other, ["completion"]]]);
	key = await assay.key("acme");
	jwks = (await call(`${assay.authUrl}/.well-known/jwks.json`,
		{ ca: assay.ca })).json;
	const { token } = await mint();
	privateKey = signingKey(decodeProtectedHeader(token).kid);
});
after(() => assay?.close());

describe("a handoff", () => {
	test("verifies against the served keys, and says what it should", async () => {
		const { token, expires_at: expires, provider,
			request_id: request } = await mint();
		const { payload, protectedHeader } = await jwtVerify(token,
			createLocalJWKSet(jwks), { audience: daemon.did,
				issuer: assay.issuer, typ: "handoff+jwt",
				algorithms: ["ES256"], maxTokenAge: 60 });
		assert.equal(payload.exp - payload.iat, 60);
		assert.equal(payload.nbf, payload.iat);
		assert.equal(payload.task, "chat");
		assert.equal(payload.model, MODEL);
		assert.equal(payload.pool, "workspace");
		assert.equal(payload.request_id, request);
		assert.equal(provider.did, daemon.did);
		assert.deepEqual(provider.endpoints, [daemon.direct]);
		assert.equal(Math.round(Date.parse(expires) / 1000), payload.exp);
		// RFC 7638: the kid is the thumbprint of the key.
		const jwk = jwks.keys.find((one) =>
			one.kid === protectedHeader.kid);
		const thumb = createHash("sha256").update(JSON.stringify({
			crv: jwk.crv, kty: jwk.kty, x: jwk.x, y: jwk.y }))
			.digest("base64url");
		assert.equal(thumb, protectedHeader.kid);
		assert.equal(jwk.d, undefined);
	});

	test("opens the provider's own listener, whose key it names", async () => {
		const { token, provider } = await mint();
		const port = Number(new URL(daemon.direct).port);
		const spki = await new Promise((resolve, reject) => {
			const socket = tls.connect({ host: "127.0.0.1", port,
				rejectUnauthorized: false }, () => {
				resolve(createHash("sha256").update(socket
					.getPeerX509Certificate().publicKey
					.export({ type: "spki", format: "der" }))
					.digest("hex"));
				socket.end();
			});
			socket.once("error", reject);
		});
		assert.equal(spki, provider.tls_spki_sha256);
		const answer = await direct(token);
		assert.equal(answer.status, 200, answer.text);
		assert.equal(answer.json.choices[0].message.content,
			"scripted words only");
		const got = runtime.requests.at(-1);
		assert.ok(!`${got.headers.authorization}`.includes(token),
			"the runtime does not see the handoff");
	});

	test("works with keys that jose signed with (the control)", async () => {
		assert.equal((await direct(await sign())).status, 200);
	});

	test("is good once", async () => {
		const { token } = await mint();
		assert.equal((await direct(token)).status, 200);
		await refused(token, "token_replayed");
	});

	test("is for one audience", async () => {
		await refused(await sign({ aud: "did:assay:somebody" }),
			"token_wrong_audience");
	});

	test("is 60 s long: 66 s old is refused, clock skew and all", async () => {
		await refused(await sign({ iat: now() - 66, nbf: now() - 66,
			exp: now() - 6 }), "token_expired");
	});

	test("61 s old is refused", async () => {
		await refused(await sign({ iat: now() - 61, nbf: now() - 61,
			exp: now() - 1 }), "token_expired");
	});

	test("is not from the future", async () => {
		await refused(await sign({ iat: now() + 30, nbf: now() + 30,
			exp: now() + 90 }), "token_not_yet_valid");
	});

	test("does not live longer than 60 s", async () => {
		await refused(await sign({ exp: now() + 3600 }), "token_malformed");
	});

	test("is for one task", async () => {
		await refused(await sign({ task: "completion" }),
			"token_not_advertised");
	});

	test("is for one model", async () => {
		await refused(await sign({ model: OTHER }), "token_not_advertised");
		await refused(await sign({ model: "lovelace:nowhere" }),
			"token_not_advertised");
	});

	test("has a known key id", async () => {
		await refused(await sign({}, { kid: "A".repeat(43) }),
			"token_key_unknown");
	});

	test("is signed by that key", async () => {
		const { privateKey: another } = await generateKeyPair("ES256");
		await refused(await new SignJWT(claims())
			.setProtectedHeader(header()).sign(another),
		"token_signature");
	});

	test("alg none is no signature", async () => {
		await refused(`${part(header({ alg: "none" }))}.${part(claims())}.`,
			"token_malformed");
	});

	test("HS256 keyed with the public key is no signature", async () => {
		const pem = createPublicKey(privateKey)
			.export({ type: "spki", format: "pem" });
		await refused(await new SignJWT(claims())
			.setProtectedHeader(header({ alg: "HS256" }))
			.sign(Buffer.from(pem)), "token_malformed");
	});

	test("a DER-encoded signature is refused", async () => {
		const text = `${part(header())}.${part(claims())}`;
		const der = createSign("SHA256").update(text).sign(privateKey);
		const answer = await direct(
			`${text}.${der.toString("base64url")}`);
		assert.equal(answer.status, 401);
		assert.match(answer.code, /^token_(signature|malformed)$/);
	});

	test("keys that travel in the header are refused", async () => {
		const pair = await generateKeyPair("ES256");
		const jwk = await exportJWK(pair.publicKey);
		const forged = await new SignJWT(claims())
			.setProtectedHeader(header({ jwk })).sign(pair.privateKey);
		await refused(forged, "token_malformed");
		for (const more of [{ jku: "https://127.0.0.1/jwks.json" },
			{ x5u: "https://127.0.0.1/x" }, { jwk },
			{ crit: ["exp"], exp: 1 }]) {
			const text = `${part(header(more))}.${part(claims())}`;
			const signature = createSign("SHA256").update(text).sign({
				key: privateKey, dsaEncoding: "ieee-p1363" });
			await refused(`${text}.${signature.toString("base64url")}`,
				"token_malformed");
		}
	});

	test("another kind of token is refused", async () => {
		await refused(await sign({}, { typ: "at+jwt" }), "token_malformed");
		await refused(await sign({ iss: "https://elsewhere" }),
			"token_malformed");
	});

	test("is no API key", async () => {
		const { token } = await mint();
		assert.ok(decodeJwt(token).exp > now());
		const answer = await assay.call("/v1/models", { key: token });
		assert.equal(answer.status, 401);
		assert.equal(answer.code, "invalid_credential");
	});

	test("an API key is no handoff", async () => {
		await refused(key, "token_malformed");
		await refused(undefined, "invalid_credential");
	});

	test("its task must be that of the endpoint", async () => {
		const { token } = await mint();
		const answer = await direct(token, { where: "/v1/completions" });
		assert.equal(answer.status, 403, answer.text);
		assert.equal(answer.code, "token_not_advertised");
	});

	test("is recorded, one row each", async () => {
		const { token } = await mint();
		const { jti } = decodeJwt(token);
		const rows = () => assay.postgres.query(
			`select did, task from assay.handoff where jti = '${jti}'`);
		await until("the record", async () => (await rows()).length > 0);
		assert.deepEqual(await rows(), [[daemon.did, "chat"]]);
	});
});
