// SPDX-License-Identifier: Apache-2.0
// Promise: OpenAI's own client works with nothing changed but its base URL, and
// what it sends arrives at a real model runtime as it was sent.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import OpenAI from "openai";
import { Assay, realModel } from "./harness.mjs";

const MODEL = "lovelace:assay-bigram-docs";
const messages = [{ role: "user", content: "the gateway" }];
let assay, runtime, daemon, client, key;

before(async () => {
	assay = await Assay.start();
	await assay.workspace("provider");
	await assay.workspace("buyer");
	const tasks = ["chat", "completion", "embedding"];
	await assay.catalog(MODEL, await realModel(1), { tasks });
	runtime = await assay.realRuntime(1, "bigram");
	daemon = await assay.daemon("provider", runtime,
		[[MODEL, runtime.model, tasks]]);
	key = await assay.key("buyer");
	client = new OpenAI({ baseURL: `${assay.url}/v1`, apiKey: key,
		maxRetries: 0 });
});
after(() => assay?.close());

describe("the openai package", () => {
	test("chat", async () => {
		const { data, response } = await client.chat.completions.create({
			model: MODEL, messages, max_tokens: 12 }).withResponse();
		const { content } = data.choices[0].message;
		assert.match(content, /[a-z]+ [a-z]+/);
		assert.equal(data.object, "chat.completion");
		assert.equal(data.usage.completion_tokens, 12);
		assert.equal(response.headers.get("x-assay-provider"), daemon.did);
		assert.equal(response.headers.get("x-assay-pool"), "marketplace");
		assert.equal(response.headers.get("x-assay-attempts"), "1");
		assert.match(response.headers.get("server-timing"), /route/);
		assert.match(response.headers.get("x-request-id"),
			/^[0-9a-f-]{36}$/);
	});

	test("streaming chat, with usage", async () => {
		const stream = await client.chat.completions.create({
			model: MODEL, messages, max_tokens: 16, stream: true,
			stream_options: { include_usage: true } });
		let words = 0, usage = null, finish = null;
		for await (const chunk of stream) {
			usage = chunk.usage ?? usage;
			finish = chunk.choices[0]?.finish_reason ?? finish;
			if (chunk.choices[0]?.delta?.content)
				words++;
		}
		assert.ok(words > 8, `${words} chunks with text`);
		assert.equal(finish, "length");
		assert.equal(usage.completion_tokens, 16);
	});

	test("completions, whole and streamed", async () => {
		const whole = await client.completions.create({ model: MODEL,
			prompt: "the buyer", max_tokens: 8, seed: 7 });
		assert.equal(whole.object, "text_completion");
		assert.equal(whole.usage.completion_tokens, 8);
		const stream = await client.completions.create({ model: MODEL,
			prompt: "the buyer", max_tokens: 8, seed: 7, stream: true });
		let text = "";
		for await (const chunk of stream)
			text += chunk.choices[0]?.text ?? "";
		assert.equal(text, whole.choices[0].text);
	});

	test("embeddings: near texts are nearer than far ones", async () => {
		const answer = await client.embeddings.create({ model: MODEL,
			input: ["the provider and the gateway",
				"the gateway and the provider", "a key"] });
		const [a, b, c] = answer.data.map((one) => one.embedding);
		const dot = (x, y) => x.reduce((sum, v, i) => sum + v * y[i], 0);
		assert.ok(Math.abs(dot(a, a) - 1) < 1e-3);
		assert.ok(dot(a, b) > dot(a, c) + 0.1,
			`${dot(a, b)} against ${dot(a, c)}`);
	});

	test("models", async () => {
		const page = await client.models.list();
		assert.deepEqual(page.data.map((one) => one.id), [MODEL]);
		const one = await client.models.retrieve(
			encodeURIComponent(MODEL)).catch(() =>
			client.models.retrieve(MODEL));
		assert.equal(one.id, MODEL);
	});

	test("tool calls and unknown fields arrive untouched", async () => {
		const body = { model: MODEL, max_tokens: 4, messages: [
			{ role: "user", content: "what is the time?" },
			{ role: "assistant", content: null, tool_calls: [{
				id: "call_1", type: "function", function: {
					name: "clock", arguments: "{\"tz\":\"UTC\"}" } }] },
			{ role: "tool", tool_call_id: "call_1", content: "noon" },
		], tools: [{ type: "function", function: { name: "clock",
			description: "the time ✓ \u2028", parameters: {
				type: "object", properties: {
					tz: { type: "string" } } } } }],
		tool_choice: "auto", seed: 3, x_unknown: { deep: [1, 1.50,
			12345678901234567890n.toString(), null, true] } };
		const seen = runtime.received().length;
		await client.chat.completions.create({ ...body,
			options: { pool: "marketplace" } });
		const [{ json, headers }] = runtime.received().slice(seen);
		assert.deepEqual({ ...json, model: MODEL }, body);
		assert.equal(json.options, undefined);
		assert.ok(!(headers.authorization ?? "").includes(key),
			"the buyer's key never reaches a provider's runtime");
	});

	test("its error classes are raised with our codes", async () => {
		const wrong = new OpenAI({ baseURL: `${assay.url}/v1`,
			apiKey: `lv_live_${"x".repeat(40)}`, maxRetries: 0 });
		await assert.rejects(wrong.models.list(), (error) =>
			error instanceof OpenAI.AuthenticationError
				&& error.code === "invalid_credential");
		await assert.rejects(client.chat.completions.create({
			model: "lovelace:nothing", messages }), (error) =>
			error instanceof OpenAI.NotFoundError
				&& error.code === "model_not_found");
		await assert.rejects(client.chat.completions.create({
			model: MODEL, messages, options: { min_tier: "platinum" } }),
		(error) => error instanceof OpenAI.BadRequestError
			&& error.code === "invalid_option");
		await assert.rejects(client.chat.completions.create({
			model: MODEL, messages, options: { verified: true } }),
		(error) => error instanceof OpenAI.InternalServerError
			&& error.status === 503
			&& error.code === "no_verified_provider");
		const narrow = new OpenAI({ baseURL: `${assay.url}/v1`,
			apiKey: await assay.key("buyer",
				{ scopes: ["catalog:read"] }), maxRetries: 0 });
		await assert.rejects(narrow.chat.completions.create({
			model: MODEL, messages }), (error) =>
			error instanceof OpenAI.PermissionDeniedError
				&& error.code === "insufficient_scopes");
	});

	test("a buyer that leaves stops the runtime", async () => {
		const seen = runtime.received().length;
		const stream = await client.chat.completions.create({
			model: MODEL, messages, max_tokens: 900, stream: true });
		for await (const chunk of stream) {
			if (chunk.choices[0]?.delta?.content)
				break;
		}
		stream.controller.abort();
		// The runtime is free again long before 900 tokens.
		const after = await client.chat.completions.create({
			model: MODEL, messages, max_tokens: 1 });
		assert.equal(after.usage.completion_tokens, 1);
		assert.equal(runtime.received().length, seen + 2);
	});
});
