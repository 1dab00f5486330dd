// SPDX-License-Identifier: Apache-2.0
// Promise: a buyer who trusts nobody on the way can attest a worker with a nonce of
// their own, have it answer, and check by themselves that this very worker saw
// their bytes and made these: on a whole answer, on a stream, and on one that was
// cut. The client below is written from docs/http-api.md alone, on fetch, ethers
// and node's crypto; it shares no line with the programs or the test harness.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import fs from "node:fs";
import net from "node:net";
import { after, before, describe, test } from "node:test";
import { Wallet, getBytes, verifyMessage } from "ethers";
import { Assay, fileEntry, open, statementOf, until } from "./harness.mjs";
import { TdxPlatform, spkiOf } from "./lib/tdx.mjs";

/* ------------------------------------------------------- the outside client */

const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

const sorted = (value) => Array.isArray(value)
	? `[${value.map(sorted).join(",")}]`
	: value !== null && typeof value === "object"
		? `{${Object.keys(value).sort().map((name) =>
			`${JSON.stringify(name)}:${sorted(value[name])}`).join(",")}}`
		: JSON.stringify(value);

// TDX quote v4: a header of 48 bytes, then the TD report of 584.
const MRTD_AT = 48 + 136, RTMR_AT = 48 + 328, REPORT_DATA_AT = 48 + 520;

class Client {
	// send(path, init) is how bytes travel; whoever sits there may lie.
	constructor({ send, model, image }) {
		Object.assign(this, { send, model, image });
	}

	async attest(nonce = randomBytes(32).toString("hex")) {
		const reply = await this.send("/v1/private/attestation", {
			method: "POST", body: JSON.stringify({ model_id: this.model,
				nonce }) });
		const said = await reply.json();
		assert.equal(reply.status, 200, JSON.stringify(said));
		assert.equal(said.nonce, nonce.padEnd(64, "0"), "another nonce");
		const quote = Buffer.from(said.cpu.quote, "base64");
		const bound = createHash("sha512")
			.update(Buffer.from(nonce.padEnd(64, "0"), "hex"))
			.update(said.provider)
			.update(Buffer.from(said.bound.tls_spki, "base64"))
			.update(Buffer.from(sha256(sorted(said.statement)), "hex"))
			.update(getBytes(said.signing_address)).digest();
		assert.deepEqual(quote.subarray(REPORT_DATA_AT, REPORT_DATA_AT + 64),
			bound, "the report data bind something else");
		const image = `sha256:${sha256(Buffer.concat([
			quote.subarray(MRTD_AT, MRTD_AT + 48),
			quote.subarray(RTMR_AT, RTMR_AT + 4 * 48)]))}`;
		assert.equal(said.image_digest, image, "the image is another");
		if (this.image)
			assert.equal(image, this.image, "the image is another");
		this.attested = { address: said.signing_address, image,
			provider: said.provider };
		return said;
	}

	// The signature that came, over these bytes, by the attested key.
	check({ text, signature, signing_address, signing_algo }, request,
		response) {
		assert.equal(signing_algo, "ecdsa");
		assert.equal(text, `${this.model}:${sha256(request)}:${
			sha256(response)}`, "the text is about other bytes");
		assert.equal(signing_address, this.attested.address,
			"another key");
		assert.equal(verifyMessage(text, signature).toLowerCase(),
			this.attested.address, "not signed by the attested key");
	}

	async complete(body, where = "/v1/private/chat/completions") {
		const reply = await this.send(where, { method: "POST", body });
		const response = Buffer.from(await reply.arrayBuffer());
		assert.equal(reply.status, 200, response.toString());
		const field = (name) => reply.headers.get(name);
		assert.equal(field("image_digest"), this.attested.image,
			"the image is another");
		this.check({ text: field("text"), signature: field("signature"),
			signing_address: field("signing_address"),
			signing_algo: field("signing_algo") }, body, response);
		return { reply, response, json: JSON.parse(response) };
	}

	async signature(id) {
		const reply = await this.send(
			`/v1/signature/${encodeURIComponent(id)}`, {});
		return { status: reply.status, headers: reply.headers,
			json: await reply.json() };
	}
}

/* ----------------------------------------------------------------- the scene */

const MODEL = "lovelace:sealed", OPEN = "lovelace:open", NODE = "lovelace:node";
const MRTD = "ab".repeat(48);
let assay, platform, key, other, runtime, daemon, send, client, nodeFile;

// White space, order and an escape that no serializer would choose.
const body = (more = "", model = MODEL) => `{ "messages" : [{"role":"user",`
	+ `"content":"caf\\u00e9"}],\n\t"model":"${model}"${more} }`;

before(async () => {
	assay = await Assay.start();
	platform = await TdxPlatform.make(assay.path("platform"));
	assay.closers.push(() => platform.close());
	await assay.gateway.stop();
	await assay.startGateway(platform.settings);
	await assay.workspace("sealed");
	await assay.workspace("buyers");
	const file = await assay.pretend(MODEL);
	const openFile = await assay.pretend(OPEN);
	nodeFile = await assay.pretend(NODE, { tasks: ["chat"] });
	key = await assay.key("buyers");
	other = await assay.key("buyers");
	const policy = assay.path("policy.json");
	fs.writeFileSync(policy, JSON.stringify({ version: 1, require: ["cpu"],
		tdx: { mrtd: [MRTD] } }));
	await assay.cli("policy", "set", policy);
	runtime = await assay.scriptedRuntime();
	daemon = await assay.daemon("sealed", runtime, [[MODEL, file]],
		{ settings: { "evidence.tsm": await platform.serveTsm() } });
	await assay.servingNodeProvider("sealed", [[OPEN, openFile, ["chat"]]]);
	await until("both tunnels to be verified", async () =>
		(await assay.postgres.query("select 1 from operator.verified where"
			+ ` did = '${daemon.did}' and counts`)).length === 2);
	send = (where, init = {}, as = key) => fetch(`${assay.url}${where}`, {
		...init, headers: { authorization: `Bearer ${as}`,
			...(init.body ? { "content-type": "application/json" } : {}),
			...init.headers } });
	client = new Client({ send, model: MODEL });
	await client.attest();
});
after(() => assay?.close());

// Reads a stream until `enough` of it says so, or to its end.
async function read(answer, enough = () => false) {
	let all = Buffer.alloc(0);
	try {
		for await (const part of answer) {
			all = Buffer.concat([all, part]);
			if (enough(all.toString()))
				break;
		}
	} catch {
		// Cut; what came before counts.
	}
	return all;
}

const stream = (text) => open(`${assay.url}/v1/private/chat/completions`,
	{ key, body: text, method: "POST",
		headers: { "content-type": "application/json" } });

async function signed(id) {
	let last;
	await until("a signature", async () => {
		last = await client.signature(id);
		return last.status === 200;
	});
	return last.json;
}

/* ------------------------------------------------------------------ promises */

describe("an outside client", () => {
	test("attests, completes and verifies", async () => {
		await client.attest("c0".repeat(16));
		await client.attest();
		const text = body();
		const { json, reply } = await client.complete(text);
		assert.equal(json.object, "chat.completion");
		assert.equal(sha256(runtime.requests.at(-1).body), sha256(text));
		assert.equal(reply.headers.get("x-assay-provider"),
			client.attested.provider);
		const stored = await signed(reply.headers.get("x-request-id"));
		assert.equal(stored.text, reply.headers.get("text"));
		assert.equal(stored.complete, true);
	});

	test("does so with plain completions", async () => {
		const text = `{"prompt":"x",  "model":"${MODEL}"}`;
		await client.complete(text, "/v1/private/completions");
		assert.equal(runtime.requests.at(-1).body.toString(), text);
		assert.equal(runtime.requests.at(-1).path, "/v1/completions");
	});

	test("is not fooled by a replayed nonce", async () => {
		const old = await (await send("/v1/private/attestation", {
			method: "POST", body: JSON.stringify({ model_id: MODEL,
				nonce: "11".repeat(32) }) })).json();
		const lying = (change) => new Client({ model: MODEL,
			send: async () => Response.json(change(old)) });
		await assert.rejects(lying((said) => said).attest(),
			/another nonce/);
		const nonce = "22".repeat(32);
		await assert.rejects(lying((said) => ({ ...said, nonce }))
			.attest(nonce), /bind something else/);
	});

	test("is not fooled by another signing address", async () => {
		const wallet = Wallet.createRandom();
		const lying = new Client({ model: MODEL, send: async (...args) => {
			const said = await (await send(...args)).json();
			return Response.json({ ...said,
				signing_address: wallet.address.toLowerCase() });
		} });
		await assert.rejects(lying.attest(), /bind something else/);
		const forging = new Client({ model: MODEL,
			send: async (where, init) => {
				const reply = await send(where, init);
				if (!where.endsWith("completions"))
					return reply;
				const text = reply.headers.get("text");
				return new Response(await reply.arrayBuffer(), {
					headers: { ...Object.fromEntries(reply.headers),
						signing_address: wallet.address.toLowerCase(),
						signature: await wallet.signMessage(text) } });
			} });
		await forging.attest();
		await assert.rejects(forging.complete(body()), /another key/);
	});

	test("is not fooled by a changed body, either way", async () => {
		const middle = (request, response) => new Client({ model: MODEL,
			send: async (where, init) => {
				if (!where.endsWith("completions"))
					return send(where, init);
				const reply = await send(where,
					{ ...init, body: request(init.body) });
				return new Response(response(await reply.text()),
					{ headers: reply.headers });
			} });
		const asked = middle((text) => text.replace("café", "tea")
			.replace("user", "system"), (text) => text);
		await asked.attest();
		await assert.rejects(asked.complete(body()), /other bytes/);
		const answered = middle((text) => text,
			(text) => text.replace("words", "lies"));
		await answered.attest();
		await assert.rejects(answered.complete(body()), /other bytes/);
	});

	test("is not fooled by another image", async () => {
		const strict = new Client({ send, model: MODEL,
			image: `sha256:${"00".repeat(32)}` });
		await assert.rejects(strict.attest(), /image is another/);
		const pinned = new Client({ send, model: MODEL,
			image: client.attested.image });
		await pinned.attest();
		pinned.attested.image = strict.image;
		await assert.rejects(pinned.complete(body()), /image is another/);
	});
});

describe("a stream", () => {
	test("comes as the worker made it, and is signed afterwards", async () => {
		const text = body(`,"stream":true`);
		const answer = await stream(text);
		const all = await read(answer);
		assert.ok(all.toString().endsWith("data: [DONE]\n\n"));
		assert.equal(sha256(runtime.requests.at(-1).body), sha256(text));
		assert.equal(answer.headers.signing_address,
			client.attested.address);
		// At once: the end of the stream comes after the signature.
		const one = await client.signature(answer.headers["x-request-id"]);
		assert.equal(one.status, 200, JSON.stringify(one.json));
		client.check(one.json, text, all);
		assert.equal(one.json.complete, true);
		assert.equal(one.json.response_bytes, all.length);
	});

	test("is found by the id that the worker gave it too", async () => {
		const text = body(`,"stream":true`);
		const id = `chatcmpl-${randomBytes(8).toString("hex")}`;
		runtime.act = (exchange) => {
			exchange.startStream();
			exchange.event({ id, choices: [] });
			exchange.reply.end("data: [DONE]\n\n: and more\n\n");
			return true;
		};
		const all = await read(await stream(text));
		runtime.act = undefined;
		assert.ok(all.toString().endsWith(": and more\n\n"));
		const one = await client.signature(id);
		assert.equal(one.status, 200, JSON.stringify(one.json));
		client.check(one.json, text, all);
	});

	test("that the buyer left is signed as far as it went", async () => {
		const text = body(`,"stream":true`);
		runtime.act = (exchange) => {
			exchange.startStream();
			exchange.token("one");
			exchange.token("two");
			return true;
		};
		const answer = await stream(text);
		const all = await read(answer, (so) => so.includes("two")
			&& so.endsWith("\n\n"));
		answer.destroy();
		runtime.act = undefined;
		const one = await signed(answer.headers["x-request-id"]);
		assert.equal(one.complete, false);
		assert.equal(one.response_bytes, all.length);
		client.check(one, text, all);
	});

	test("that the runtime cut is signed as far as it went", async () => {
		const text = body(`,"stream":true`);
		let begun;
		runtime.act = (exchange) => {
			exchange.startStream();
			exchange.token("one");
			begun = exchange;
			return true;
		};
		const answer = await stream(text);
		const rest = read(answer);
		await until("the stream to begin", () => begun);
		await until("its bytes to be on their way", () =>
			answer.readableFlowing !== null);
		begun.reply.write("data: half an ev");
		begun.die();
		runtime.act = undefined;
		const all = await rest;
		assert.match(all.toString(), /event: error/);
		assert.ok(!all.toString().includes("[DONE]"));
		const one = await signed(answer.headers["x-request-id"]);
		assert.equal(one.complete, false);
		client.check(one, text, all.subarray(0, one.response_bytes));
	});

	test("of a worker that died has a code that says so", async () => {
		const wallet = Wallet.createRandom();
		const node = await sealedNode(wallet);
		node.answer = ({ stream: out }) => {
			out.respond({ ":status": 200,
				"content-type": "text/event-stream" });
			out.write("data: {\"id\":\"x\"}\n\n");
		};
		const answer = await stream(body(`,"stream":true`, NODE));
		const rest = read(answer);
		await until("bytes", () => node.requests.length > 0
			&& answer.readableFlowing !== null);
		await node.close();
		await rest;
		const id = answer.headers["x-request-id"];
		let one;
		await until("the reason", async () => {
			one = await client.signature(id);
			return one.status === 409;
		});
		assert.equal(one.json.error.code, "signature_missing");
		assert.deepEqual(one.json.error.metadata.rejected,
			{ provider_gone: 1 });
	});
});

// A provider on node's own stack whose signing key is the test's.
async function sealedNode(wallet) {
	const node = await assay.nodeProvider("sealed");
	const said = { ...statementOf([{ canonical: NODE, tasks: ["chat"],
		files: [fileEntry(nodeFile)], quantization: "F16" }]) };
	await until("a tunnel", () => node.connect((hello, out) => {
		const statement = { ...said, nonce: hello.nonce };
		platform.evidence({ nonce: hello.nonce, did: node.did,
			spki: spkiOf(node.certificate), statement,
			...(wallet ? { key: getBytes(wallet.address),
				address: wallet.address.toLowerCase() } : {}) })
			.then((evidence) => {
				out.respond({ ":status": 200,
					"content-type": "application/json" });
				out.end(JSON.stringify({ ...statement, evidence: {
					...evidence, bound: { tls_spki: spkiOf(
						node.certificate).toString("base64") } } }));
			});
	}));
	assert.equal(node.verdict.verified.reason, "ok");
	// It is offered when it has heard of its admission.
	await until("its offer", async () => (await assay.call("/v1/route", {
		key, json: { task: "chat", model: NODE,
			options: { verified: true, only: [node.did] } } }))
		.json.choice);
	return node;
}

describe("a provider", () => {
	const RESPONSE = JSON.stringify({ id: "chatcmpl-node", choices: [] });
	const wallet = Wallet.createRandom();
	let node, sign, seen;

	before(async () => {
		node = await sealedNode(wallet);
		node.answer = async ({ stream: out, headers, path: where,
			body: bytes, json }) => {
			let said = RESPONSE;
			if (where === "/.well-known/assay/signature") {
				said = await sign(json, seen);
			} else {
				seen = { bytes, headers };
			}
			out.respond({ ":status": said === null ? 404 : 200,
				"content-type": "application/json" });
			out.end(said ?? "{}");
		};
	});
	after(() => node.close());

	const honest = (who = wallet, response = RESPONSE, model = NODE) =>
		async (asked, { bytes }) => {
			const text = `${model}:${sha256(bytes)}:${sha256(response)}`;
			return JSON.stringify({ text,
				signature: await who.signMessage(text),
				signing_address: wallet.address.toLowerCase(),
				signing_algo: "ecdsa" });
		};
	const ask = () => send("/v1/private/chat/completions",
		{ method: "POST", body: body("", NODE) });

	test("whose evidence binds no key is not asked", async () => {
		const keyless = await sealedNode();
		const reply = await send("/v1/private/chat/completions", {
			method: "POST", body: body("", NODE), headers: {
				"x-assay-options": `{"only":["${keyless.did}"]}` } });
		assert.equal((await reply.json()).error.code,
			"no_verified_provider");
		assert.equal(keyless.requests.length, 0);
		await keyless.close();
	});

	test("that is busy with another's nonce is asked again", async () => {
		const answering = node.statement;
		node.statement = (hello, out) => {
			if (hello.purpose !== "buyer")
				return answering(hello, out);
			out.respond({ ":status": 503 }, { endStream: true });
			return undefined;
		};
		const reply = await send("/v1/private/attestation", {
			method: "POST", body: JSON.stringify({ model_id: NODE,
				nonce: "33".repeat(32) }) });
		node.statement = answering;
		assert.equal(reply.status, 503);
		assert.ok(Number(reply.headers.get("retry-after")) > 0);
		assert.equal((await reply.json()).error.code, "overloaded");
	});

	test("may be any that follows the protocol", async () => {
		sign = honest();
		const buyer = new Client({ send, model: NODE });
		await buyer.attest();
		await buyer.complete(body("", NODE));
		assert.equal(seen.headers["x-assay-private"], "1");
	});

	for (const [what, lie] of [
		["with another key", () => honest(Wallet.createRandom())],
		["another answer", () => honest(wallet, "{}")],
		["another model", () => honest(wallet, RESPONSE, "lovelace:best")],
		["nothing", () => () => null]]) {
		test(`that signs ${what} has failed`, async () => {
			sign = lie();
			const reply = await ask();
			const { error } = await reply.json();
			assert.equal(reply.status, 502);
			assert.equal(error.code, "signature_invalid");
			assert.equal(reply.headers.get("signature"), null);
			const id = reply.headers.get("x-request-id");
			let rows;
			await until("the attempt's row", async () => {
				rows = await assay.postgres.query("select outcome,"
					+ " assay.attempt_counts(outcome, fault_code) from"
					+ ` assay.request_attempt where request_id = '${id}'`);
				return rows.length === 1;
			});
			assert.deepEqual(rows[0].map(String), ["failed", "-1"]);
		});
	}
});

describe("the gateway", () => {
	test("sends a private request to verified providers alone", async () => {
		const reply = await send("/v1/private/chat/completions",
			{ method: "POST", body: body("", OPEN) });
		const { error } = await reply.json();
		assert.equal(reply.status, 503);
		assert.equal(error.code, "no_verified_provider");
		assert.equal((await assay.chat(key, OPEN)).status, 200);
	});

	test("reads options from a field, and refuses them in the body",
		async () => {
			const inside = await send("/v1/private/chat/completions", {
				method: "POST", body: body(`,"options":{}`) });
			assert.equal(inside.status, 400);
			assert.equal((await inside.json()).error.code,
				"invalid_option");
			const field = await send("/v1/private/chat/completions", {
				method: "POST", body: body(), headers: {
					"x-assay-options": `{"ignore":["${daemon.did}"]}` } });
			assert.equal((await field.json()).error.code,
				"no_provider");
		});

	test("gives a signature to nobody else", async () => {
		const { reply } = await client.complete(body());
		const id = reply.headers.get("x-request-id");
		for (const [as, where] of [[other, id],
			[key, "0197a000-0000-7000-8000-000000000000"],
			[key, "chatcmpl-none"], [other, "chatcmpl-scripted"]]) {
			const answer = await send(`/v1/signature/${where}`, {}, as);
			assert.equal(answer.status, 404);
			assert.equal((await answer.json()).error.code,
				"signature_not_found");
		}
		assert.equal((await client.signature(id)).status, 200);
	});

	test("loses no signature while Postgres is away", async () => {
		await assay.postgres.halt();
		const text = body();
		const { reply } = await client.complete(text);
		const id = reply.headers.get("x-request-id");
		const away = await client.signature(id);
		assert.equal(away.status, 503);
		assert.ok(Number(away.headers.get("retry-after")) > 0);
		assert.equal(away.json.error.code,
			"upstream_dependency_unavailable");
		assert.match(await (await fetch(`${assay.adminUrl}/metrics`)).text(),
			/^assay_signatures_backlog 1$/m);
		await assay.postgres.open();
		const one = await signed(id);
		assert.equal(one.text, reply.headers.get("text"));
	});

	test("loses none when it is killed meanwhile", async () => {
		await assay.postgres.halt();
		const { reply } = await client.complete(body());
		await assay.gateway.kill();
		await assay.postgres.open();
		await assay.startGateway(platform.settings);
		const one = await signed(reply.headers.get("x-request-id"));
		assert.equal(one.text, reply.headers.get("text"));
	});
});

describe("a buyer that does not read", () => {
	const wallet = Wallet.createRandom();
	const BIG = JSON.stringify({ id: "chatcmpl-big",
		pad: "x".repeat(12 << 20) });
	let node, seen;

	before(async () => {
		await assay.gateway.stop();
		await assay.startGateway({ ...platform.settings,
			"private.held": "16MiB" });
		node = await sealedNode(wallet);
		node.answer = async ({ stream: out, path: where, body: bytes }) => {
			let said = BIG;
			if (where === "/.well-known/assay/signature") {
				const text = `${NODE}:${sha256(seen)}:${sha256(BIG)}`;
				said = JSON.stringify({ text,
					signature: await wallet.signMessage(text),
					signing_address: wallet.address.toLowerCase(),
					signing_algo: "ecdsa" });
			} else {
				seen = bytes;
			}
			out.respond({ ":status": 200,
				"content-type": "application/json" });
			out.end(said);
		};
	});
	after(() => node.close());

	const ask = () => send("/v1/private/chat/completions", { method: "POST",
		body: body("", NODE) });

	test("has what it has not taken counted as held", async () => {
		const { hostname, port } = new URL(assay.url);
		const text = body("", NODE);
		const slow = net.connect(Number(port), hostname);
		slow.on("error", () => {}); // it is left with bytes unread
		slow.write("POST /v1/private/chat/completions HTTP/1.1\r\n"
			+ `host: ${hostname}\r\nauthorization: Bearer ${key}\r\n`
			+ "content-type: application/json\r\ncontent-length: "
			+ `${Buffer.byteLength(text)}\r\n\r\n${text}`);
		// The head comes with the first bytes: the exchange is over then.
		await new Promise((done) => { slow.once("readable", done); });
		const metrics = await (await fetch(`${assay.adminUrl}/metrics`))
			.text();
		const [, held] = metrics.match(/^assay_private_held_bytes (\d+)$/m);
		assert.equal(Number(held), BIG.length);
		const reply = await ask();
		assert.equal((await reply.json()).error?.code, "overloaded");
		assert.equal(reply.status, 503);
		slow.destroy();
		await until("room again", async () => {
			const again = await ask();
			await again.arrayBuffer();
			return again.status === 200;
		});
	});
});
