// SPDX-License-Identifier: Apache-2.0
// Promise: a key restricted to its workspace never reaches the marketplace. Not
// when the workspace has nobody, when its own are busy, when one dies in the
// middle, or on a retry: asserted where it counts, at the marketplace provider.
import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { Assay, events, fileEntry, open, statementOf, until }
	from "./harness.mjs";

const MODEL = "lovelace:ours";
let assay, file, market, key, all;

before(async () => {
	assay = await Assay.start();
	await assay.workspace("ours");
	await assay.workspace("theirs");
	file = await assay.pretend(MODEL);
	market = await assay.servingNodeProvider("theirs", [[MODEL, file]]);
	all = ["inference", "marketplace", "catalog:read", "usage:read",
		"streaming"];
	key = await assay.key("ours",
		{ scopes: [...all, "workspace_only"] });
});
after(() => assay?.close());
afterEach(() => {
	assert.equal(market.requests.length, 0,
		"not a byte reached the marketplace");
});

async function own(answer, more) {
	const provider = await assay.servingNodeProvider("ours",
		[[MODEL, file]], more);
	if (answer)
		provider.answer = answer;
	return provider;
}

async function gone(provider) {
	await provider.close();
	await until("the pool to be empty", async () =>
		(await assay.chat(key, MODEL)).code === "no_workspace_provider");
}

const bodies = [{}, { options: { pool: "workspace" } },
	{ options: { allow_fallbacks: true } }];

describe("workspace_only", () => {
	test("the pool is empty", async () => {
		for (const body of bodies) {
			const answer = await assay.chat(key, MODEL, body);
			assert.equal(answer.status, 503, answer.text);
			assert.equal(answer.code, "no_workspace_provider");
		}
		for (const options of [{ only: [market.did] },
			{ order: [market.did] }]) {
			const answer = await assay.chat(key, MODEL, { options });
			assert.equal(answer.code, "no_workspace_provider");
		}
	});

	test("asking for the marketplace is refused as such", async () => {
		const answer = await assay.chat(key, MODEL,
			{ options: { pool: "marketplace" } });
		assert.equal(answer.status, 403, answer.text);
		assert.equal(answer.code, "insufficient_scopes");
		assert.equal(answer.json.error.param, "options.pool");
	});

	test("handoffs and dry runs do not name anybody else", async () => {
		const handoff = await assay.call("/v1/handoffs", { key,
			json: { task: "chat", model: MODEL } });
		assert.equal(handoff.code, "no_workspace_provider");
		const route = await assay.call("/v1/route", { key,
			json: { task: "chat", model: MODEL } });
		assert.ok(!route.json?.choice?.did);
	});

	test("the pool is busy", async () => {
		const provider = await own(null,
			{ controls: { max_concurrency: 1 } });
		provider.hold();
		const first = open(`${assay.url}/v1/chat/completions`, { key,
			json: { model: MODEL, messages: [
				{ role: "user", content: "x" }] } });
		const held = await provider.next();
		const second = await assay.chat(key, MODEL);
		assert.equal(second.status, 503, second.text);
		assert.match(second.code, /^(no_workspace_provider|overloaded)$/);
		held.stream.respond({ ":status": 200,
			"content-type": "application/json" });
		held.stream.end("{\"object\":\"chat.completion\"}");
		(await first).resume();
		await gone(provider);
	});

	test("the provider fails before its first byte", async () => {
		const provider = await own(({ stream }) => stream.close(2));
		const answer = await assay.chat(key, MODEL);
		assert.ok([502, 503].includes(answer.status), answer.text);
		await gone(provider);
	});

	test("the provider dies in the middle", async () => {
		const provider = await own(({ stream }) => {
			stream.respond({ ":status": 200,
				"content-type": "text/event-stream" });
			stream.write("data: {\"choices\":[]}\n\n", () =>
				provider.socket.destroy());
		});
		const answer = await assay.chat(key, MODEL, { stream: true });
		assert.equal(answer.status, 200);
		assert.ok(!answer.text.includes("[DONE]"));
		assert.ok(events(answer.text).some((one) => one.event === "error"
			|| JSON.parse(one.data).error), answer.text);
		await gone(provider);
	});

	test("the retry stays at home", async () => {
		const bad = await own(({ stream }) => {
			stream.respond({ ":status": 500,
				"content-type": "application/json" });
			stream.end("{}");
		});
		const good = await own();
		for (let i = 0; i < 20; i++) {
			const answer = await assay.chat(key, MODEL);
			assert.equal(answer.status, 200, answer.text);
			assert.equal(answer.headers["x-assay-provider"], good.did);
			assert.equal(answer.headers["x-assay-pool"], "workspace");
		}
		await bad.close();
		await gone(good);
	});
});

describe("without the restriction", () => {
	test("the same request does reach the marketplace", async () => {
		const free = await assay.key("ours", { scopes: all });
		const answer = await assay.chat(free, MODEL);
		assert.equal(answer.status, 200, answer.text);
		assert.equal(answer.headers["x-assay-pool"], "marketplace");
		assert.equal(market.requests.length, 1);
		market.requests.length = 0;
		assert.equal(fileEntry(file).sha256.length, 64);
		assert.equal(statementOf([]).protocol, 1);
	});
});
