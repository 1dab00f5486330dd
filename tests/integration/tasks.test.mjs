// SPDX-License-Identifier: Apache-2.0
// Promise: speech, images, transcriptions and any task of the catalog go the same
// way as chat, byte for byte. The runtime here is the scripted one: it echoes, it
// is no model.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { after, before, describe, test } from "node:test";
import OpenAI, { toFile } from "openai";
import { ALL_TASKS, Assay } from "./harness.mjs";

const MODEL = "lovelace:everything";
let assay, runtime, key, client;

before(async () => {
	assay = await Assay.start();
	await assay.postgres.query("insert into assay.task (name, path, multipart,"
		+ " description) values ('rerank', '/v1/tasks/rerank', false,"
		+ " 'order texts by a query')");
	const tasks = [...ALL_TASKS, "rerank"];
	await assay.workspace("all");
	const file = await assay.pretend(MODEL, { tasks });
	runtime = await assay.scriptedRuntime();
	await assay.daemon("all", runtime, [[MODEL, file, tasks]]);
	key = await assay.key("all");
	client = new OpenAI({ baseURL: `${assay.url}/v1`, apiKey: key,
		maxRetries: 0 });
});
after(() => assay?.close());

describe("tasks", () => {
	test("audio/speech", async () => {
		const answer = await client.audio.speech.create({ model: MODEL,
			voice: "alloy", input: "gold" });
		assert.equal(answer.headers.get("content-type"), "audio/wav");
		assert.equal(Buffer.from(await answer.arrayBuffer()).toString(),
			"RIFFgold");
	});

	test("images/generations", async () => {
		const answer = await client.images.generate({ model: MODEL,
			prompt: "a touchstone" });
		assert.equal(Buffer.from(answer.data[0].b64_json, "base64")
			.toString(), "a touchstone");
	});

	test("audio/transcriptions, a megabyte of it", async () => {
		const sound = randomBytes(1 << 20);
		const answer = await client.audio.transcriptions.create({
			model: MODEL, file: await toFile(sound, "speech.wav") });
		assert.match(answer.text, /no model/);
		const got = runtime.requests.at(-1);
		assert.ok(got.body.includes(sound), "every byte arrived");
		assert.equal(answer.sha256, createHash("sha256")
			.update(got.body).digest("hex"));
	});

	test("a multipart's options part is ours", async () => {
		const boundary = "abcdefgh";
		const part = (name, value, more = "") => `--${boundary}\r\n`
			+ `Content-Disposition: form-data; name="${name}"${more}`
			+ `\r\n\r\n${value}\r\n`;
		const body = part("model", MODEL)
			+ part("options", "{\"pool\":\"workspace\"}")
			+ part("file", "sound", "; filename=\"a.wav\"")
			+ `--${boundary}--\r\n`;
		const answer = await assay.call("/v1/audio/transcriptions", { key,
			body, headers: { "content-type":
				`multipart/form-data; boundary=${boundary}` } });
		assert.equal(answer.status, 200, answer.text);
		assert.equal(answer.headers["x-assay-pool"], "workspace");
		const got = runtime.requests.at(-1).body.toString();
		assert.ok(!got.includes("\"options\""), got);
		assert.ok(got.includes("sound"));
		const bad = await assay.call("/v1/audio/transcriptions", { key,
			body: body.replace("workspace", "ours"), headers: {
				"content-type": "multipart/form-data; boundary="
					+ boundary } });
		assert.equal(bad.status, 400, bad.text);
		assert.equal(bad.code, "invalid_option");
	});

	test("a new task is a row in the catalog", async () => {
		const answer = await assay.call("/v1/tasks/rerank", { key,
			json: { model: MODEL, query: "gold", texts: ["a", "b"] } });
		assert.equal(answer.status, 200, answer.text);
		assert.equal(runtime.requests.at(-1).path, "/v1/tasks/rerank");
		assert.deepEqual(runtime.requests.at(-1).json.texts, ["a", "b"]);
	});

	test("tasks/chat is chat", async () => {
		const answer = await assay.call("/v1/tasks/chat", { key, json: {
			model: MODEL, messages: [{ role: "user", content: "x" }] } });
		assert.equal(answer.status, 200, answer.text);
		assert.equal(answer.json.object, "chat.completion");
	});
});
