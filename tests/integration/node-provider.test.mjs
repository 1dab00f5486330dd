// SPDX-License-Identifier: Apache-2.0
// Promise: the tunnel is a protocol and not a library: a provider on Node's own
// HTTP/2 stack is admitted, served, cancelled, re-probed and superseded.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { createLocalJWKSet, jwtVerify } from "jose";
import { Assay, call, events, fileEntry, open, statementOf, until, within }
	from "./harness.mjs";

const MODEL = "lovelace:node";
let assay, provider, file, key;

before(async () => {
	assay = await Assay.start({ gateway: { "tunnel.reprobe_least": "1s",
		"tunnel.reprobe_most": "2s" } });
	await assay.workspace("nodes");
	await assay.workspace("buyers");
	file = await assay.pretend(MODEL);
	provider = await assay.servingNodeProvider("nodes", [[MODEL, file]]);
	key = await assay.key("buyers");
});
after(() => assay?.close());

describe("a provider on Node's HTTP/2", () => {
	test("was greeted with a fresh nonce", async () => {
		const first = await provider.hellos.take("a hello");
		const second = await provider.hellos.take("a re-probe");
		assert.equal(first.protocol, 1);
		assert.match(first.nonce, /^[0-9a-f]{64}$/);
		assert.match(second.nonce, /^[0-9a-f]{64}$/);
		assert.notEqual(first.nonce, second.nonce);
	});

	test("serves a request, with a handoff that jose verifies", async () => {
		const answer = await assay.chat(key, MODEL, { seed: 1 });
		assert.equal(answer.status, 200, answer.text);
		assert.equal(answer.json.choices[0].message.content, "from node");
		assert.equal(answer.headers["x-assay-provider"], provider.did);
		const got = provider.requests.at(-1);
		const jwks = (await call(`${assay.authUrl}/.well-known/jwks.json`,
			{ ca: assay.ca })).json;
		const { payload } = await jwtVerify(got.token,
			createLocalJWKSet(jwks), { audience: provider.did,
				typ: "handoff+jwt" });
		assert.equal(payload.model, MODEL);
		assert.equal(payload.pool, "marketplace");
		assert.equal(got.headers["x-request-id"],
			answer.headers["x-request-id"]);
		assert.match(got.headers.traceparent,
			/^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/);
		assert.ok(!JSON.stringify(got.headers).includes(key),
			"no provider sees a buyer's key");
	});

	test("streams", async () => {
		const answer = await assay.chat(key, MODEL, { stream: true });
		const said = events(answer.text);
		assert.equal(said.at(-1).data, "[DONE]");
		assert.equal(said.length, 3);
		assert.match(answer.headers["content-type"],
			/^text\/event-stream/);
	});

	test("hears at once that a buyer has left", async () => {
		provider.hold();
		const answer = open(`${assay.url}/v1/chat/completions`, { key,
			json: { model: MODEL, stream: true, messages: [
				{ role: "user", content: "x" }] } });
		const request = await provider.next();
		request.stream.respond({ ":status": 200,
			"content-type": "text/event-stream" });
		request.stream.write("data: {}\n\n");
		const body = await answer;
		await within("the first event", new Promise((resolve) =>
			body.once("data", resolve)));
		const left = performance.now();
		body.destroy();
		const code = await within("the stream's end",
			request.closed);
		const took = performance.now() - left;
		assert.equal(code, 8, "RST_STREAM with CANCEL");
		// A loaded machine under sanitizers gets some slack.
		assert.ok(took < 400, `${took} ms`);
		provider.release();
	});

	test("withdraws an offer with an event", async () => {
		provider.statement = statementOf([]);
		provider.tell({ event: "models" });
		await until("the offer to go", async () =>
			(await assay.chat(key, MODEL)).code === "no_provider");
		provider.statement = statementOf([{ canonical: MODEL,
			tasks: ["chat"], files: [fileEntry(file)],
			quantization: "F16" }]);
		provider.tell({ event: "models" });
		await until("the offer to come back", async () =>
			(await assay.chat(key, MODEL)).status === 200);
	});

	test("is not asked while it drains", async () => {
		provider.tell({ event: "draining" });
		await until("the offers to be withdrawn", async () =>
			(await assay.chat(key, MODEL)).status === 503);
		await provider.close();
		await provider.connect(statementOf([{ canonical: MODEL,
			tasks: ["chat"], files: [fileEntry(file)],
			quantization: "F16" }]));
		await until("the new tunnel", async () =>
			(await assay.chat(key, MODEL)).status === 200);
	});

	test("is superseded by its own newer tunnel in the same slot", async () => {
		const old = provider.closed;
		await provider.connect(statementOf([{ canonical: MODEL,
			tasks: ["chat"], files: [fileEntry(file)],
			quantization: "F16" }]));
		await within("the old tunnel to end", old);
		assert.equal((await assay.chat(key, MODEL)).status, 200);
	});

	for (const [what, statement] of [
		["is not JSON", (hello, stream) => {
			stream.respond({ ":status": 200,
				"content-type": "application/json" });
			stream.end("{");
		}],
		["is larger than 256 KiB", (hello, stream) => {
			stream.respond({ ":status": 200,
				"content-type": "application/json" });
			stream.end(JSON.stringify({ pad: "x".repeat(300000) }));
		}],
		["has another protocol", () => ({ ...statementOf([]), protocol: 7 })],
		["has a model that is no object", () => statementOf([7])],
		["is a status 500", (hello, stream) => {
			stream.respond({ ":status": 500 }, { endStream: true });
		}],
		["echoes another nonce", (hello, stream) => {
			stream.respond({ ":status": 200,
				"content-type": "application/json" });
			stream.end(JSON.stringify({ ...statementOf([]),
				nonce: "00".repeat(32) }));
		}],
	]) {
		test(`loses its tunnel when its statement ${what}`, async () => {
			const bad = await assay.nodeProvider("nodes");
			const lines = assay.gateway.lines.length;
			await assert.rejects(bad.connect(statement),
				/closed the tunnel/);
			await assay.gateway.line(bad.did, { after: lines });
		});
	}
});
