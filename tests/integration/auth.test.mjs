// SPDX-License-Identifier: Apache-2.0
// Promise: assay-auth mints for gateways and for nobody else, also while
// Postgres is away and after a restart without it, and loses no record of what
// it minted; a code makes one device even when ten ask at once; a revoked
// device gets no further certificate.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import fs from "node:fs";
import http2 from "node:http2";
import https from "node:https";
import { after, before, describe, test } from "node:test";
import { Assay, Authority, BUILD, call, freePort, makeCsr, makeKey, run,
	until, within } from "./harness.mjs";

let assay, admin;

before(async () => {
	const port = await freePort();
	admin = `http://127.0.0.1:${port}`;
	assay = await Assay.start({ auth: {
		"admin.listen": `127.0.0.1:${port}` } });
	assay.adminPort = port;
	await assay.workspace("makers");
	await assay.workspace("others");
});
after(() => assay?.close());

const read = (leaf) => ({ cert: fs.readFileSync(leaf.certificate),
	key: fs.readFileSync(leaf.key) });

function order(more = {}) {
	return { aud: "did:assay:zDnaerDaTF5BXEavCrfRZEk316dpbLsfPDZ3WJ5hRTPFU2169",
		sub: randomUUID(), workspace: randomUUID(), task: "chat",
		model: "lovelace:tiny", pool: "workspace",
		request_id: randomUUID(), ...more };
}

function connect(credentials) {
	const session = http2.connect(
		`https://127.0.0.1:${assay.authPorts.mint}`,
		{ ca: assay.ca, ...credentials });
	return session.setMaxListeners(0); // one for each order
}

// One order on a session; resolves to {status, json}.
function ask(session, body, { path = "/internal/handoffs",
	method = "POST" } = {}) {
	return within("the mint to answer", new Promise((resolve, reject) => {
		const stream = session.request({ ":method": method, ":path": path,
			"content-type": "application/json" });
		let status, text = "";
		stream.on("response", (headers) => { status = headers[":status"]; });
		stream.setEncoding("utf8");
		stream.on("data", (part) => { text += part; });
		stream.on("end", () => resolve({ status, json: text
			? JSON.parse(text) : undefined }));
		stream.on("error", reject);
		session.once("error", reject);
		stream.end(method === "POST" ? (typeof body === "string" ? body
			: JSON.stringify(body)) : undefined);
	}));
}

async function refused(credentials) {
	const lines = assay.auth.lines.length;
	const session = connect(credentials);
	session.on("error", () => {});
	await assert.rejects(ask(session, order()));
	session.destroy();
	return assay.auth.line("event=gateway_refused", { after: lines });
}

const recorded = (ids) => assay.postgres.value("select count(*) from"
	+ ` assay.handoff where request_id in (${ids.map((id) => `'${id}'`)})`);

async function mintMany(count) {
	const session = connect(read(assay.gatewayLeaf));
	const orders = Array.from({ length: count }, () => order());
	const answers = await Promise.all(orders.map((one) =>
		ask(session, one)));
	session.close();
	for (const answer of answers)
		assert.equal(answer.status, 201, JSON.stringify(answer.json));
	return orders.map((one) => one.request_id);
}

const device = (did, end) => `${assay.authUrl}/v1/devices/`
	+ `${encodeURIComponent(did)}/${end}`;

async function renew(did, { certificate, key }, more = {}) {
	const agent = new https.Agent({ ca: assay.ca, cert: certificate, key });
	const fresh = await makeKey(assay.path(`fresh-${randomUUID()}.key`));
	return call(device(did, "renew"), { agent,
		json: { csr: await makeCsr(fresh) }, ...more });
}

describe("the mint", () => {
	test("takes no one without a certificate", async () => {
		assert.match(await refused({}), /certificate/);
	});

	test("takes no device", async () => {
		const { certificate, key } = await assay.enrol("makers");
		assert.match(await refused({ cert: certificate, key }),
			/certificate/);
	});

	test("takes no certificate that is for servers", async () => {
		await refused(read(assay.serverLeaf));
	});

	test("takes no certificate of another CA", async () => {
		fs.mkdirSync(assay.path("foreign"));
		const other = await Authority.make(assay.path("foreign"), "other");
		await refused(read(await other.issue("gateway",
			{ usage: "clientAuth" })));
	});

	test("refuses orders that are not whole, and goes on", async () => {
		const session = connect(read(assay.gatewayLeaf));
		for (const [body, code] of [
			["", "invalid_json"], ["[]", "invalid_json"],
			["{\"aud\":1}", "invalid_request"],
			[order({ aud: "nobody" }), "invalid_request"],
			[order({ sub: "1" }), "invalid_request"],
			[order({ workspace: "../x" }), "invalid_request"],
			[order({ pool: "any" }), "invalid_request"],
			[order({ task: "a b" }), "invalid_request"],
			[order({ model: "" }), "invalid_request"],
			[order({ request_id: null }), "invalid_request"],
			[order({ cnf_x5t_s256: "x" }), "invalid_request"],
			[order({ model: "x".repeat(5000) }), "invalid_request"],
		]) {
			const answer = await ask(session, body);
			assert.equal(answer.status, 400, JSON.stringify(body));
			assert.equal(answer.json.error.code, code);
		}
		assert.equal((await ask(session, order(), { path: "/" })).status,
			404);
		assert.equal((await ask(session, null, { method: "GET" })).status,
			405);
		const good = await ask(session, order());
		assert.equal(good.status, 201);
		assert.ok(Date.parse(good.json.expires_at) > Date.now());
		session.close();
	});

	test("records each handoff, with the gateway that asked", async () => {
		const ids = await mintMany(200);
		await until("the rows", async () =>
			await recorded(ids) === "200");
		assert.equal(await assay.postgres.value("select gateway from"
			+ ` assay.handoff where request_id = '${ids[0]}'`),
			"gateway");
	});

	test("goes on without Postgres, and loses no record", async () => {
		await assay.postgres.halt();
		const before = await mintMany(50);
		assert.equal((await call(`${admin}/readyz`)).status, 200);
		const none = await call(`${assay.authUrl}/v1/devices`, {
			ca: assay.ca, json: { code: "A".repeat(32), csr:
				await makeCsr(await makeKey(assay.path("no.key"))) } });
		assert.equal(none.status, 503);
		assert.equal(none.code, "upstream_dependency_unavailable");
		assert.ok(none.headers["retry-after"]);
		// Killed and started again, still without Postgres.
		const jwks = async () => (await call(
			`${assay.authUrl}/.well-known/jwks.json`,
			{ ca: assay.ca })).text;
		const keys = await jwks();
		await assay.auth.kill();
		await assay.startAuth({
			"admin.listen": `127.0.0.1:${assay.adminPort}` });
		assert.equal(await jwks(), keys);
		const after = await mintMany(50);
		await assay.postgres.open();
		const ids = [...before, ...after];
		await until("the rows", async () =>
			await recorded(ids) === "100");
		assert.equal(await assay.postgres.value("select count(*) from"
			+ " assay.handoff where request_id in ("
			+ `${ids.map((id) => `'${id}'`)})`), "100");
	});
});

describe("enrolment", () => {
	test("makes one device of a code, also when ten ask at once", async () => {
		const code = await assay.code("makers");
		const requests = await Promise.all(Array.from({ length: 10 },
			async (_, i) => makeCsr(await makeKey(
				assay.path(`race-${i}.key`)))));
		const answers = await Promise.all(requests.map((csr) =>
			call(`${assay.authUrl}/v1/devices`,
				{ ca: assay.ca, json: { code, csr } })));
		const made = answers.filter((one) => one.status === 201);
		assert.equal(made.length, 1);
		for (const one of answers) {
			if (one !== made[0])
				assert.equal(one.code, "code_used", one.text);
		}
		assert.equal(await assay.postgres.value("select used_by from"
			+ " assay.enrolment_code where used_by ="
			+ ` '${made[0].json.did}'`), made[0].json.did);
	});

	test("says why a code is not taken", async () => {
		const csr = await makeCsr(await makeKey(assay.path("why.key")));
		const enrol = async (code) => (await call(
			`${assay.authUrl}/v1/devices`,
			{ ca: assay.ca, json: { code, csr } })).code;
		const change = (set) => assay.postgres.query("update"
			+ ` assay.enrolment_code set ${set} where used_at is null`);
		const code = await assay.code("makers");
		assert.equal(await enrol("B".repeat(32)), "code_invalid");
		await change("expires_at = now() - interval '1 s'");
		assert.equal(await enrol(code), "code_expired");
		await change("expires_at = now() + interval '1 h',"
			+ " revoked_at = now()");
		assert.equal(await enrol(code), "code_invalid");
		await change("revoked_at = null");
		assert.equal(await enrol(code), undefined);
		assert.equal(await enrol(code), "code_used");
	});

	test("a key stays with its workspace, and with its fate", async () => {
		const first = await assay.enrol("makers");
		const csr = await makeCsr(first.keyFile);
		const again = async (workspace) => call(
			`${assay.authUrl}/v1/devices`, { ca: assay.ca,
				json: { code: await assay.code(workspace), csr } });
		assert.equal((await again("others")).code, "conflict");
		const same = await again("makers");
		assert.equal(same.status, 201, same.text);
		assert.equal(same.json.did, first.did);
		await assay.cli("device", "revoke", first.did);
		assert.equal((await again("makers")).code, "device_revoked");
	});
});

describe("renewal", () => {
	test("keeps the DID and changes the key", async () => {
		const first = await assay.enrol("makers");
		const key = await makeKey(assay.path("next.key"));
		const renewed = await renew(first.did, first,
			{ json: { csr: await makeCsr(key) } });
		assert.equal(renewed.status, 200, renewed.text);
		assert.equal(renewed.json.did, first.did);
		const shown = await call(device(first.did, "did.json"),
			{ ca: assay.ca });
		const { publicKeyJwk } = shown.json.verificationMethod[0];
		assert.equal(publicKeyJwk.x, JSON.parse(await run("node", ["-e",
			"console.log(JSON.stringify(require('crypto')"
			+ ".createPublicKey(require('fs').readFileSync("
			+ `'${key}')).export({format:'jwk'})))`])).x);
		// The first certificate renews as well, until it ends.
		assert.equal((await renew(first.did, first)).status, 200);
		assert.equal((await renew(first.did, { certificate:
			renewed.json.certificate_chain,
		key: fs.readFileSync(key) })).status, 200);
	});

	test("is not for another device, nor for the revoked", async () => {
		const mine = await assay.enrol("makers");
		const other = await assay.enrol("makers");
		assert.equal((await renew(other.did, mine)).code, "refused");
		const bare = await renew(mine.did, {});
		assert.equal(bare.status, 401);
		assert.equal(bare.code, "invalid_credential");
		await assay.cli("device", "revoke", mine.did);
		const gone = await renew(mine.did, mine);
		assert.equal(gone.status, 403);
		assert.equal(gone.code, "device_revoked");
		assert.equal((await call(device(mine.did, "did.json"),
			{ ca: assay.ca })).code, "device_revoked");
		assert.equal((await renew(other.did, other)).status, 200);
	});

	test("is not for a certificate that was never recorded", async () => {
		const { did } = await assay.enrol("makers");
		const ca = Authority.of(assay.path("pki"), assay.deviceCa,
			assay.deviceCa.replace(/pem$/, "key"));
		const forged = await ca.issue("forged", { usage: "clientAuth",
			names: `subjectAltName=URI:${did}` });
		const answer = await renew(did, {
			certificate: fs.readFileSync(forged.certificate),
			key: fs.readFileSync(forged.key) });
		assert.equal(answer.code, "device_revoked", answer.text);
	});
});

describe("HEAD", () => {
	test("is answered where GET is, without a body", async () => {
		const { did } = await assay.enrol("makers");
		for (const url of [`${assay.authUrl}/.well-known/jwks.json`,
			device(did, "did.json")]) {
			const got = await call(url, { ca: assay.ca });
			const head = await call(url,
				{ ca: assay.ca, method: "HEAD" });
			assert.equal(head.status, 200);
			assert.equal(head.text, "");
			for (const name of ["content-type", "content-length",
				"cache-control", "etag"])
				assert.equal(head.headers[name],
					got.headers[name], name);
		}
		const not = await call(`${assay.authUrl}/v1/devices`,
			{ ca: assay.ca, method: "HEAD" });
		assert.equal(not.status, 405);
	});
});

describe("operators", () => {
	test("see metrics and health", async () => {
		const { text } = await call(`${admin}/metrics`);
		assert.match(text, /assay_auth_handoffs_total{code="none"} \d/);
		assert.match(text, /assay_auth_postgres_up 1/);
		assert.match(text, /assay_auth_can_sign 1/);
		assert.equal((await call(`${admin}/healthz`)).status, 200);
		assert.equal((await call(`${admin}/nothing`)).status, 404);
	});

	test("take a key away at once: nothing is signed with it", async () => {
		const where = `${assay.authUrl}/.well-known/jwks.json`;
		const served = async () => (await call(where, { ca: assay.ca }))
			.json.keys.length;
		const set = (what) => assay.postgres.query(
			`update assay.signing_key set ${what}`);
		assert.equal(await served(), 1);
		await set("state = 'removed', removed_at = now()");
		await until("an empty set", async () => await served() === 0, 2000);
		const session = connect(read(assay.gatewayLeaf));
		assert.equal((await ask(session, order())).status, 503);
		assert.equal((await call(`${admin}/readyz`)).status, 503);
		await set("state = 'current', removed_at = null");
		await until("the key again", async () => await served() === 1, 2000);
		assert.equal((await ask(session, order())).status, 201);
		session.close();
	});
});

describe("assay-auth", () => {
	test("takes up new settings of its listeners without a pause", async () => {
		const session = connect(read(assay.gatewayLeaf));
		assert.equal((await ask(session, order())).status, 201);
		process.kill(assay.auth.pid, "SIGHUP");
		await assay.auth.line("event=reloaded");
		assert.equal((await ask(session, order())).status, 201);
		const fresh = connect(read(assay.gatewayLeaf));
		assert.equal((await ask(fresh, order())).status, 201);
		session.close();
		fresh.close();
	});

	test("ends when told to, and comes back with more workers", async () => {
		const ids = await mintMany(20);
		const began = Date.now();
		await assay.auth.stop();
		assert.equal(assay.auth.exit.code, 0);
		assert.ok(Date.now() - began < 5000, "links are drained, not waited for");
		assert.equal(await recorded(ids), "20", "and all is written");
		await assay.startAuth({ workers: 2,
			"admin.listen": `127.0.0.1:${assay.adminPort}` });
		await assay.auth.line(/worker=1.*event=ready|event=ready.*worker=1/);
		for (let i = 0; i < 10; i++)
			ids.push(...await mintMany(2));
		await until("the rows", async () => await recorded(ids) === "40");
		await assay.enrol("makers");
	});

	test("says what is wrong with its settings, and does not start", async () => {
		for (const [flag, why] of [
			["--nothing=1", /nothing/],
			["--listen.key=/x", /go together/],
			["--device.life=1s", /device.life/],
			["--state.folder=/proc/nowhere", /proc/],
		]) {
			await assert.rejects(run(`${BUILD}/assay-auth`,
				[`--state.folder=${assay.path("odd")}`, flag]), why);
		}
	});
});
