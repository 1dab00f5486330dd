// SPDX-License-Identifier: Apache-2.0
// Promise: docs/openapi.yaml is what the gateway does: every operation is there,
// and every answer, good or bad, has the status, fields and shape it says.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { Assay, ROOT, fileEntry, statementOf, until } from "./harness.mjs";
import { Contract } from "./lib/openapi.mjs";

const MODEL = "lovelace:contract", SPKI = "ab".repeat(32);
const contract = new Contract(fs.readFileSync(
	path.join(ROOT, "docs/openapi.yaml"), "utf8"));
let assay, provider, key, poor;

before(async () => {
	assay = await Assay.start();
	await assay.workspace("home");
	const file = await assay.pretend(MODEL);
	provider = await assay.nodeProvider("home");
	await provider.join(statementOf([{ canonical: MODEL,
		tasks: ["chat", "completion"], files: [fileEntry(file)],
		quantization: "F16", context_length: 8192 }],
	{ direct: { endpoints: ["https://127.0.0.1:9"],
		tls_spki_sha256: SPKI } }));
	key = await assay.key("home");
	poor = await assay.key("home",
		{ scopes: ["lattice:compute:streaming"] });
});
after(() => assay?.close());

async function held(method, where, filled, options = {}) {
	const answer = await assay.call(filled ?? where,
		{ key, method: method.toUpperCase(), ...options });
	contract.hold(method, where, answer);
	return answer;
}

function operations() {
	return Object.entries(contract.root.paths).flatMap(([where, item]) =>
		["get", "post", "put"].filter((method) => item[method])
			.map((method) => [method, where]));
}

describe("the contract", () => {
	for (const [method, where] of operations()) {
		const filled = where.replace("{task}", "chat")
			.replace("{id}", "x:y").replace("{did}", "did:assay:x");

		test(`${method} ${where} refuses a stranger as it says`, async () => {
			const answer = await held(method, where, filled,
				{ key: undefined, ...(method !== "get"
					? { json: { model: MODEL } } : {}) });
			assert.equal(answer.status, 401);
			assert.equal(answer.code, "invalid_credential");
		});

		test(`${method} ${where} needs its scope`, async () => {
			const answer = await held(method, where, filled,
				{ key: poor, ...(method !== "get"
					? { json: { model: MODEL } } : {}) });
			assert.equal(answer.code, "insufficient_scopes");
		});
	}

	test("a request is answered", async () => {
		const answer = await held("post", "/v1/chat/completions", undefined,
			{ json: { model: MODEL, messages: [],
				options: { explain: true } } });
		assert.equal(answer.status, 200, answer.text);
		for (const name of ["x-request-id", "x-assay-provider",
			"x-assay-tier", "x-assay-pool", "x-assay-attempts",
			"x-assay-decision", "server-timing"])
			assert.ok(answer.headers[name], name);
	});

	test("mistakes are errors of the one shape", async () => {
		for (const [json, status] of [
			[{ model: "no:such" }, 404],
			[{ model: MODEL, options: { nonsense: 1 } }, 400],
			[{ model: MODEL, options: { verified: true } }, 503],
			[{ model: MODEL, options: { min_tier: "gold" } }, 503],
			[[], 400],
		]) {
			const answer = await held("post", "/v1/chat/completions",
				undefined, { json });
			assert.equal(answer.status, status, answer.text);
		}
	});

	test("a dry run and a handoff", async () => {
		const json = { task: "chat", model: MODEL };
		const route = await held("post", "/v1/route", undefined, { json });
		assert.equal(route.json.choice.did, provider.did);
		const nobody = await held("post", "/v1/route", undefined, { json: {
			...json, options: { ignore: [provider.did] } } });
		assert.equal(nobody.json.error.code, "no_provider");
		const handoff = await held("post", "/v1/handoffs", undefined,
			{ json });
		assert.equal(handoff.status, 200, handoff.text);
		assert.equal(handoff.json.provider.tls_spki_sha256, SPKI);
	});

	test("what can be read", async () => {
		const models = await held("get", "/v1/models");
		assert.equal(models.json.data[0].id, MODEL);
		await held("get", "/v1/models/{id}", `/v1/models/${MODEL}`);
		const one = await held("get", "/v1/providers/{did}",
			`/v1/providers/${provider.did}`);
		assert.equal(one.json.status, "connected");
		const { headers } = await assay.chat(key, MODEL);
		await until("the request to appear", async () =>
			(await held("get", "/v1/requests/{id}",
				`/v1/requests/${headers["x-request-id"]}`))
				.status === 200);
	});

	test("feedback, and its mistakes", async () => {
		const { headers } = await assay.chat(key, MODEL);
		const request_id = headers["x-request-id"];
		const given = await until("the request to be judged", async () => {
			const answer = await held("post", "/v1/feedback", undefined,
				{ json: { request_id, quality: 80, issues: ["slow"] } });
			return answer.status === 201 && answer;
		});
		const where = "/v1/feedback/{id}";
		const mine = `/v1/feedback/${given.json.id}`;
		const edited = await held("put", where, mine,
			{ json: { verdict: "bad", comment: "on reflection" } });
		assert.equal(edited.status, 200, edited.text);
		for (const [method, path_, filled, json, status] of [
			["post", "/v1/feedback", undefined,
				{ request_id, verdict: "good" }, 409],
			["post", "/v1/feedback", undefined, { request_id }, 400],
			["post", "/v1/feedback", undefined,
				{ request_id: given.json.id, verdict: "good" }, 404],
			["put", where, mine, { quality: 101 }, 400],
			["put", where, `/v1/feedback/${request_id}`,
				{ quality: 1 }, 404],
		]) {
			const answer = await held(method, path_, filled, { json });
			assert.equal(answer.status, status, answer.text);
		}
	});

	test("a provider's own standing", async () => {
		const own = await held("get", "/v1/providers/{did}",
			`/v1/providers/${provider.did}`);
		assert.deepEqual(own.json.not_chosen, []);
	});
});
