// SPDX-License-Identifier: Apache-2.0
// Two runtimes for providers under test. RealRuntime is llama.cpp with a model of
// our own (tests/runtime). ScriptedRuntime is no model: it runs in the test's
// process, keeps every byte it was sent, and does what the test says, for what no
// model would do on demand (stall, die, flood) and for tasks that have no small
// model (speech, images, transcriptions); it echoes what it received.
import { createHash, randomBytes } from "node:crypto";
import fs from "node:fs";
import http from "node:http";
import path from "node:path";
import { BUILD, Program, ROOT, freePort, run } from "./program.mjs";
import { Mailbox, within } from "./wait.mjs";

const TEXTS = ["README.md", "docs/getting-started-buyer.md",
	"docs/getting-started-provider.md", "docs/getting-started-operator.md"];
const MORE_TEXTS = ["docs/development.md", "docs/tunnel.md", "CONTRIBUTING.md"];

// The two real models; made once per build folder.
export async function realModel(which = 1) {
	const texts = which === 1 ? TEXTS : MORE_TEXTS;
	const hash = createHash("sha256");
	for (const one of [...texts, "tests/runtime/make-model.mjs"])
		hash.update(fs.readFileSync(path.join(ROOT, one)));
	const file = path.join(BUILD, "models",
		`${which}-${hash.digest("hex").slice(0, 16)}.gguf`);
	if (!fs.existsSync(file)) {
		const own = `${file}.${process.pid}`;
		await run(process.execPath, [
			path.join(ROOT, "tests/runtime/make-model.mjs"),
			`assay-bigram-${which}`, own, ...texts], { cwd: ROOT });
		fs.renameSync(own, file);
	}
	return file;
}

// A file that is no model but hashes like one, for the scripted runtime.
export function pretendModel(folder, name = "model.gguf") {
	const file = path.join(folder, name);
	fs.mkdirSync(folder, { recursive: true });
	fs.writeFileSync(file, Buffer.concat([Buffer.from("GGUF"),
		randomBytes(4096)]));
	return file;
}

export class RealRuntime {
	static async start({ model, name, folder }) {
		const self = new RealRuntime();
		self.port = await freePort();
		self.url = `http://127.0.0.1:${self.port}`;
		self.model = model;
		self.log = path.join(folder, `received-${self.port}.jsonl`);
		self.program = new Program("runtime", process.execPath, [
			path.join(ROOT, "tests/runtime/server.mjs"),
			"--model", model, "--name", name,
			"--port", `${self.port}`, "--received", self.log]);
		await self.program.line(/^listening/);
		return self;
	}

	// Every request it got, with its parsed body.
	received() {
		if (!fs.existsSync(this.log))
			return [];
		return fs.readFileSync(this.log, "utf8").trim().split("\n")
			.filter(Boolean).map((line) => JSON.parse(line))
			.map((one) => ({ ...one, json: JSON.parse(one.body) }));
	}

	async close() { await this.program.stop(); }
}

// A request as the runtime saw it, and the means to answer it bit by bit.
class Exchange {
	constructor(request, reply, body) {
		this.method = request.method;
		this.path = request.url;
		this.headers = request.headers;
		this.body = body;
		this.reply = reply;
		this.closed = new Promise((resolve) => {
			reply.once("close", () =>
				resolve({ finished: reply.writableFinished }));
		});
	}

	get json() { return JSON.parse(this.body.toString()); }

	answer(value, status = 200, headers = {}) {
		const bytes = Buffer.isBuffer(value) ? value
			: Buffer.from(JSON.stringify(value));
		this.reply.writeHead(status, {
			"content-type": "application/json",
			"content-length": bytes.length, ...headers });
		this.reply.end(bytes);
	}

	startStream() {
		this.reply.writeHead(200, {
			"content-type": "text/event-stream" });
		this.reply.flushHeaders();
	}

	event(value) {
		return this.reply.write(`data: ${typeof value === "string" ? value
			: JSON.stringify(value)}\n\n`);
	}

	token(content, finish = null) {
		return this.event({ id: "chatcmpl-scripted", created: 1,
			object: "chat.completion.chunk", model: "scripted",
			choices: [{ index: 0, delta: content === null ? {}
				: { content }, finish_reason: finish }] });
	}

	// The drained reader's sign that more may be written.
	async drained(patienceMs) {
		await within("the reader", new Promise((resolve) =>
			this.reply.once("drain", resolve)), patienceMs);
	}

	endStream() { this.reply.end("data: [DONE]\n\n"); }

	// As when the process dies: no end, no warning.
	die() { this.reply.socket.resetAndDestroy(); }
}

// What comes back when the test does not take the request itself.
function echo(exchange) {
	const where = exchange.path.split("?")[0];
	const type = exchange.headers["content-type"] ?? "";

	if (where === "/v1/audio/speech") {
		exchange.answer(Buffer.from(`RIFF${exchange.json.input}`), 200,
			{ "content-type": "audio/wav" });
		return;
	}
	if (type.startsWith("multipart/form-data")) {
		exchange.answer({ text: "scripted runtime, no model",
			received_bytes: exchange.body.length,
			sha256: createHash("sha256").update(exchange.body)
				.digest("hex") });
		return;
	}
	const body = exchange.json;
	if (where === "/v1/images/generations") {
		exchange.answer({ created: 1, data: [{ b64_json: Buffer
			.from(body.prompt).toString("base64") }] });
		return;
	}
	if (body.stream) {
		exchange.startStream();
		for (const word of ["scripted", " words", " only"])
			exchange.token(word);
		exchange.token(null, "stop");
		if (body.stream_options?.include_usage) {
			exchange.event({ object: "chat.completion.chunk",
				choices: [], usage: { prompt_tokens: 2,
					completion_tokens: 3, total_tokens: 5 } });
		}
		exchange.endStream();
		return;
	}
	exchange.answer({ id: "chatcmpl-scripted", created: 1,
		object: "chat.completion", model: body.model,
		choices: [{ index: 0, finish_reason: "stop", message: {
			role: "assistant", content: "scripted words only" } }],
		usage: { prompt_tokens: 2, completion_tokens: 3,
			total_tokens: 5 } });
}

export class ScriptedRuntime {
	// act(exchange) answers a request; without one (or when it gives false)
	// the echo does.
	static async start({ name = "scripted", act } = {}) {
		const self = new ScriptedRuntime();
		self.name = name;
		self.act = act;
		self.requests = [];
		self.arrivals = new Mailbox();
		self.server = http.createServer((request, reply) => {
			self.#serve(request, reply).catch((error) => {
				reply.destroy(error);
			});
		});
		self.server.requestTimeout = 0;
		await new Promise((resolve) =>
			self.server.listen(0, "127.0.0.1", resolve));
		self.port = self.server.address().port;
		self.url = `http://127.0.0.1:${self.port}`;
		return self;
	}

	async #serve(request, reply) {
		const where = request.url.split("?")[0];
		if (where === "/health") {
			reply.end(JSON.stringify({ status: "ok" }));
			return;
		}
		if (where === "/v1/models") {
			reply.setHeader("content-type", "application/json");
			reply.end(JSON.stringify({ object: "list", data: [{
				id: this.name, object: "model",
				created: 0, owned_by: "test" }] }));
			return;
		}
		if (request.method !== "POST") {
			reply.statusCode = 404;
			reply.end("{}");
			return;
		}
		const parts = [];
		for await (const part of request)
			parts.push(part);
		const exchange = new Exchange(request, reply,
			Buffer.concat(parts));
		this.requests.push(exchange);
		this.arrivals.put(exchange);
		if (!this.act || await this.act(exchange) === false)
			echo(exchange);
	}

	// From now on the test answers each request itself, in order.
	hold() {
		this.arrivals = new Mailbox();
		this.act = () => true;
		return this;
	}

	async next() {
		return this.arrivals.take("a request at the runtime");
	}

	async close() {
		this.server.closeAllConnections();
		await new Promise((resolve) => this.server.close(resolve));
	}
}
