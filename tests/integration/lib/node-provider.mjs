// SPDX-License-Identifier: Apache-2.0
// A provider on Node's own TLS and HTTP/2, written from docs/tunnel.md alone: it
// shares no line with the daemon, so what works with both is the protocol. It
// says what the test tells it to say, and keeps every request that reached it.
import { createHash } from "node:crypto";
import fs from "node:fs";
import http2 from "node:http2";
import tls from "node:tls";
import { Mailbox, until } from "./wait.mjs";

const WELL_KNOWN = "/.well-known/assay/";

export function fileEntry(file) {
	const bytes = fs.readFileSync(file);
	return { name: file.split("/").at(-1), size: bytes.length,
		sha256: createHash("sha256").update(bytes).digest("hex") };
}

export function statementOf(models, more = {}) {
	return { protocol: 1, daemon: "test-provider/1",
		runtime: { kind: "llama.cpp", version: "1" }, models, slot: 0,
		evidence: null, ...more };
}

// Dials with TLS; resolves with the connected socket, or rejects with why not.
export function dial({ tunnel, ca, certificate, key, alpn = ["rh2"],
	minVersion = "TLSv1.3" }) {
	const at = tunnel.lastIndexOf(":");
	return new Promise((resolve, reject) => {
		const socket = tls.connect({ host: tunnel.slice(0, at),
			port: Number(tunnel.slice(at + 1)), ca,
			cert: certificate, key, ALPNProtocols: alpn,
			minVersion, checkServerIdentity: () => undefined });
		socket.once("secureConnect", () => resolve(socket));
		socket.once("error", reject);
		socket.once("close", () => reject(new Error("closed")));
	});
}

function readAll(stream) {
	return new Promise((resolve, reject) => {
		const parts = [];
		stream.on("data", (part) => parts.push(part));
		stream.on("end", () => resolve(Buffer.concat(parts)));
		stream.on("error", reject);
		stream.on("aborted", () => reject(new Error("aborted")));
	});
}

function sendJson(stream, value, status = 200) {
	stream.respond({ ":status": status, "content-type": "application/json" });
	stream.end(JSON.stringify(value));
}

// The default answer to a request: one small completion.
function completion({ stream, json }) {
	if (json?.stream) {
		stream.respond({ ":status": 200,
			"content-type": "text/event-stream" });
		for (const content of ["from", " node"]) {
			stream.write(`data: ${JSON.stringify({
				object: "chat.completion.chunk", choices: [{ index: 0,
					delta: { content }, finish_reason: null }],
			})}\n\n`);
		}
		stream.end("data: [DONE]\n\n");
		return;
	}
	sendJson(stream, { id: "chatcmpl-node", object: "chat.completion",
		created: 1, model: json?.model, choices: [{ index: 0,
			finish_reason: "stop",
			message: { role: "assistant", content: "from node" } }],
		usage: { prompt_tokens: 1, completion_tokens: 2,
			total_tokens: 3 } });
}

export class NodeProvider {
	constructor({ did, certificate, key, ca, tunnel }) {
		Object.assign(this, { did, certificate, key, ca, tunnel });
		this.requests = [];
		this.arrivals = new Mailbox();
		this.hellos = new Mailbox();
		this.verdicts = new Mailbox();
		this.answer = completion;
	}

	// One tunnel; resolves when the gateway has judged the statement.
	async connect(statement) {
		this.statement = statement;
		// A tunnel that was refused still has somebody waiting at the old one.
		this.verdicts = new Mailbox();
		const socket = await dial(this);
		this.socket = socket;
		this.closed = new Promise((resolve) => {
			socket.once("close", resolve);
		});
		socket.on("error", () => {});
		this.session = http2.performServerHandshake(socket, {
			settings: { enableConnectProtocol: false } });
		this.session.on("error", () => {});
		this.session.on("stream", (stream, headers) => {
			stream.on("error", () => {});
			this.#serve(stream, headers).catch(() => stream.close());
		});
		this.verdict = await Promise.race([
			this.verdicts.take("the gateway's judgement"),
			this.closed.then(() => {
				throw new Error("the gateway closed the tunnel");
			}),
		]);
		return this.verdict;
	}

	// The first tunnel: like a daemon, it dials again where the gateway has
	// not yet read that the device was enrolled.
	join(statement) {
		return until("a tunnel", () => this.connect(statement));
	}

	async #serve(stream, headers) {
		const where = headers[":path"];

		if (where === `${WELL_KNOWN}events`) {
			stream.respond({ ":status": 200,
				"content-type": "application/x-ndjson" });
			this.events = stream;
			return;
		}
		const body = await readAll(stream);
		if (where === `${WELL_KNOWN}hello`) {
			const hello = JSON.parse(body);
			this.hellos.put(hello);
			const said = typeof this.statement === "function"
				? this.statement(hello, stream) : this.statement;
			if (said !== undefined)
				sendJson(stream, { ...said, nonce: hello.nonce });
			return;
		}
		if (where === `${WELL_KNOWN}admitted`) {
			stream.respond({ ":status": 204 }, { endStream: true });
			this.verdicts.put(JSON.parse(body));
			return;
		}
		let json = null;
		try {
			json = JSON.parse(body);
		} catch {
			// Multipart; the bytes are kept.
		}
		const request = { stream, headers, body, json, path: where,
			token: headers.authorization?.replace(/^Bearer /, "") };
		request.closed = new Promise((resolve) => {
			stream.once("close", () => resolve(stream.rstCode));
		});
		this.requests.push(request);
		this.arrivals.put(request);
		await this.answer(request);
	}

	tell(event) {
		this.events.write(`${JSON.stringify(event)}\n`);
	}

	// From now on the test answers each request itself, in order.
	hold() {
		this.arrivals = new Mailbox();
		this.answer = () => {};
		return this;
	}

	// Back to answering by itself.
	release() { this.answer = completion; }

	next() {
		return this.arrivals.take("a request at the provider");
	}

	async close() {
		this.session?.destroy();
		this.socket?.destroy();
		if (this.closed)
			await this.closed;
	}
}
