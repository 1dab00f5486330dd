// SPDX-License-Identifier: Apache-2.0
// Promise: what a buyer says in `options` holds, on every retry, and fails closed;
// the dry run gives each rejected provider its one reason.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Assay, fileEntry, statementOf, until } from "./harness.mjs";

const MODEL = "lovelace:choice";
let assay, key, first, second, quantized;

before(async () => {
	assay = await Assay.start();
	await assay.workspace("makers");
	await assay.workspace("buyers");
	const file = await assay.pretend(MODEL, { tasks: ["chat"] });
	const q4 = await assay.pretend(MODEL, { tasks: ["chat"],
		quantization: "Q4_K_M" });
	const one = [[MODEL, file, ["chat"]]];
	first = await assay.servingNodeProvider("makers", one);
	second = await assay.servingNodeProvider("makers", one);
	quantized = await assay.nodeProvider("makers");
	const verdict = await quantized.join(statementOf([{ canonical: MODEL,
		tasks: ["chat"], files: [fileEntry(q4)],
		quantization: "Q4_K_M" }]));
	assert.equal(verdict.models[0].status, "accepted");
	key = await assay.key("buyers");
});
after(() => assay?.close());

const ask = (options, more) => assay.chat(key, MODEL, { options, ...more });

async function servedBy(options, wanted, times = 8) {
	for (let i = 0; i < times; i++) {
		const answer = await ask(options);
		assert.equal(answer.status, 200, answer.text);
		assert.ok(wanted.includes(answer.headers["x-assay-provider"]));
	}
}

describe("options", () => {
	test("never reach a provider", async () => {
		await ask({ only: [first.did], explain: true });
		const got = first.requests.at(-1);
		assert.equal(got.json.options, undefined);
		assert.ok(!got.body.toString().includes("options"));
	});

	test("only", () => servedBy({ only: [second.did] }, [second.did]));

	test("ignore", () => servedBy(
		{ ignore: [first.did, quantized.did] }, [second.did]));

	test("order", () => servedBy({ order: [second.did, first.did] },
		[second.did]));

	test("quantizations", () => servedBy({ quantizations: ["Q4_K_M"] },
		[quantized.did]));

	test("only an unknown provider is nobody", async () => {
		const answer = await ask({ only: ["did:assay:zNobody"] });
		assert.equal(answer.status, 503);
		assert.equal(answer.code, "no_provider");
		assert.deepEqual(answer.json.error.metadata.rejected,
			{ not_in_only: 3 });
	});

	test("verified fails closed, with counts", async () => {
		const answer = await ask({ verified: true });
		assert.equal(answer.code, "no_verified_provider");
		assert.deepEqual(answer.json.error.metadata.rejected,
			{ no_evidence: 3 });
	});

	test("min_tier reads the score table, at once", async () => {
		const answer = await ask({ min_tier: "silver" });
		assert.equal(answer.code, "no_provider_at_tier", answer.text);
		const columns = new Set((await assay.postgres.query("select"
			+ " column_name from information_schema.columns where"
			+ " table_schema = 'assay' and table_name = 'score'"))
			.map(([name]) => name));
		assert.ok(columns.has("tier"));
		await assay.postgres.query("insert into assay.score"
			+ " (did, task, canonical, tier, score,"
			+ " sample_size) values"
			+ ` ('${first.did}', 'chat', '${MODEL}', 'gold', 90, 500)`);
		await until("the tier to count", async () =>
			(await ask({ min_tier: "gold" })).status === 200, 3000);
		await servedBy({ min_tier: "silver" }, [first.did]);
		assert.equal((await ask({ min_tier: "gold" }))
			.headers["x-assay-tier"], "gold");
	});

	test("audits make nobody less of a newcomer, deliveries do", async () => {
		const isNewcomer = async () => (await assay.call("/v1/route", { key,
			json: { task: "chat", model: MODEL } })).json.candidates
			.find((c) => c.did === second.did).newcomer;
		const parts = (delivered) => JSON.stringify({
			audit: { good: 480, bad: 0 },
			delivery: { good: delivered, bad: 1 } });
		await assay.postgres.query("insert into assay.score"
			+ " (did, task, canonical, tier, score, sample_size, parts)"
			+ ` values ('${second.did}', 'chat', '${MODEL}', 'bronze', 78,`
			+ ` 600, '${parts(119)}')`);
		await until("the deliveries to count", async () =>
			!await isNewcomer(), 3000);
		await assay.postgres.query("update assay.score set"
			+ ` parts = '${parts(118)}' where did = '${second.did}'`);
		await until("the audits not to count", isNewcomer, 3000);
	});

	test("a refusal is tried elsewhere, within the constraints", async () => {
		const whole = first.answer;
		first.answer = ({ stream }) => {
			stream.respond({ ":status": 500,
				"content-type": "application/json" });
			stream.end("{}");
		};
		const answer = await ask({ order: [first.did, second.did],
			ignore: [quantized.did] });
		assert.equal(answer.status, 200, answer.text);
		assert.equal(answer.headers["x-assay-provider"], second.did);
		assert.equal(answer.headers["x-assay-attempts"], "2");
		const alone = await ask({ only: [first.did] });
		assert.equal(alone.status, 502, alone.text);
		assert.equal(alone.code, "provider_error");
		const never = await ask({ order: [first.did],
			allow_fallbacks: false });
		assert.equal(never.status, 502, never.text);
		first.answer = whole;
	});

	test("a 4xx of the provider is the buyer's answer", async () => {
		const whole = second.answer, seen = first.requests.length;
		second.answer = ({ stream }) => {
			stream.respond({ ":status": 422,
				"content-type": "application/json" });
			stream.end("{\"error\":{\"message\":\"no such voice\"}}");
		};
		const answer = await ask({ order: [second.did] });
		assert.equal(answer.status, 422, answer.text);
		assert.equal(answer.json.error.message, "no such voice");
		assert.equal(first.requests.length, seen);
		second.answer = whole;
		const id = answer.headers["x-request-id"];
		const told = await until("the record", async () => {
			const it = await assay.call(`/v1/requests/${id}`, { key });
			return it.status === 200 && it.json;
		});
		assert.equal(told.outcome, "refused");
		assert.equal(told.code, "invalid_request");
	});

	test("timeouts.first_byte_ms, then the next provider", async () => {
		const whole = first.answer;
		first.hold();
		const answer = await ask({ order: [first.did, second.did],
			timeouts: { first_byte_ms: 300 } });
		assert.equal(answer.status, 200, answer.text);
		assert.equal(answer.headers["x-assay-attempts"], "2");
		const alone = await ask({ only: [first.did],
			timeouts: { first_byte_ms: 300 } });
		assert.equal(alone.status, 504);
		assert.equal(alone.code, "first_byte_timeout");
		first.answer = whole;
	});

	test("timeouts.stall_ms ends a stream in the open", async () => {
		const whole = second.answer;
		second.answer = ({ stream }) => {
			stream.respond({ ":status": 200,
				"content-type": "text/event-stream" });
			stream.write("data: {\"choices\":[]}\n\n");
		};
		const answer = await ask({ only: [second.did],
			timeouts: { stall_ms: 300 } }, { stream: true });
		assert.equal(answer.status, 200);
		assert.match(answer.text, /stream_stalled/);
		assert.ok(!answer.text.includes("[DONE]"));
		const id = answer.headers["x-request-id"];
		const row = await until("the record", async () =>
			(await assay.postgres.query("select outcome from"
				+ ` assay.request where id = '${id}'`))[0]);
		assert.deepEqual(row, ["truncated"]);
		second.answer = whole;
	});

	test("explain", async () => {
		const answer = await ask({ explain: true });
		assert.ok(answer.headers["x-assay-decision"]);
		const refused = await ask({ explain: true, verified: true });
		assert.ok(refused.json.error.metadata.decision);
	});
});

describe("the dry run", () => {
	test("names candidates, choice and reasons, and sends nothing", async () => {
		const seen = first.requests.length + second.requests.length
			+ quantized.requests.length;
		const { json, status } = await assay.call("/v1/route", { key, json: {
			task: "chat", model: MODEL, options: {
				ignore: [second.did], quantizations: ["F16"] } } });
		assert.equal(status, 200);
		assert.equal(JSON.stringify(json.choice).includes(first.did), true);
		assert.ok(JSON.stringify(json).includes("quantization_not_accepted"));
		assert.ok(JSON.stringify(json).includes("ignored"));
		assert.equal(first.requests.length + second.requests.length
			+ quantized.requests.length, seen);
	});
});

describe("reading", () => {
	test("one's own request, and nobody else's", async () => {
		const answer = await ask({ only: [first.did] });
		const id = answer.headers["x-request-id"];
		const mine = await until("the record", async () => {
			const it = await assay.call(`/v1/requests/${id}`, { key });
			return it.status === 200 && it;
		});
		assert.equal(mine.json.outcome, "served");
		assert.ok(JSON.stringify(mine.json).includes(first.did));
		const stranger = await assay.key("buyers");
		const theirs = await assay.call(`/v1/requests/${id}`,
			{ key: stranger });
		assert.equal(theirs.status, 404);
		assert.equal(theirs.code, "request_not_found");
	});

	test("a provider's public facts", async () => {
		const { status, json } = await assay.call(
			`/v1/providers/${first.did}`, { key });
		assert.equal(status, 200);
		assert.ok(JSON.stringify(json).includes("gold"));
		assert.equal((await assay.call("/v1/providers/did:assay:zNone",
			{ key })).status, 404);
	});

	test("models, with tiers and quantizations", async () => {
		const { json } = await assay.call("/v1/models", { key });
		const one = json.data.find((model) => model.id === MODEL);
		assert.ok(JSON.stringify(one).includes("Q4_K_M"));
		assert.ok(JSON.stringify(one).includes("gold"));
	});
});
