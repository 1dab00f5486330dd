// SPDX-License-Identifier: Apache-2.0
// Promise: whatever is sent, the answer is a clear coded error or a closed
// connection within the deadline: never a crash, a hang, a leak or a guess. Raw
// sockets say what no HTTP library would.
import assert from "node:assert/strict";
import net from "node:net";
import { after, before, describe, test } from "node:test";
import { Assay, call, within } from "./harness.mjs";

const MODEL = "lovelace:bad";
let assay, key, provider;

before(async () => {
	assay = await Assay.start({ gateway: { "timeouts.head": "1s",
		"timeouts.body": "1s", "limits.body": "1MiB" } });
	await assay.workspace("bad");
	const file = await assay.pretend(MODEL);
	provider = await assay.servingNodeProvider("bad", [[MODEL, file]]);
	key = await assay.key("bad");
});
after(() => assay?.close());

// Sends bytes as they are; gives everything that came until the end.
async function raw(bytes, { patienceMs = 5000, drip } = {}) {
	const socket = net.connect(assay.ports.http, "127.0.0.1");
	const parts = [];
	socket.on("data", (part) => parts.push(part));
	socket.on("error", () => {});
	socket.write(bytes);
	const timer = drip && setInterval(() => socket.write(drip), 300);
	try {
		await within("the connection to end", new Promise((resolve) =>
			socket.once("close", resolve)), patienceMs);
	} finally {
		clearInterval(timer);
		socket.destroy();
	}
	return Buffer.concat(parts).toString("latin1");
}

function statuses(text) {
	return [...text.matchAll(/^HTTP\/1\.1 (\d+)/gm)].map((one) => +one[1]);
}

const request = (lines, body = "") => [`POST /v1/chat/completions HTTP/1.1`,
	"Host: a", `Authorization: Bearer ${key}`,
	"Content-Type: application/json", ...lines, "", body].join("\r\n");
const SMUGGLED = "GET /v1/models HTTP/1.1\r\nHost: a\r\n\r\n";

describe("a body", () => {
	const good = { model: MODEL, messages: [{ role: "user", content: "x" }] };
	const text = JSON.stringify(good);

	for (const [what, body, code, status = 400] of [
		["is empty", "", "invalid_json"],
		["is cut", text.slice(0, -1), "invalid_json"],
		["has something behind it", `${text}x`, "invalid_json"],
		["is an array", "[]", "invalid_json"],
		["is a number", "7", "invalid_json"],
		["has a key twice", `{"model":"a",${text.slice(1)}`, "invalid_json"],
		["has a key twice, once escaped",
			`{"mod\\u0065l":"a",${text.slice(1)}`, "invalid_json"],
		["has invalid UTF-8", Buffer.concat([Buffer.from(
			`{"x":"`), Buffer.from([0xc0, 0x80]),
		Buffer.from(`",${text.slice(1)}`)]), "invalid_json"],
		["has a lone surrogate", `{"x":"\\ud800",${text.slice(1)}`,
			"invalid_json"],
		["has a raw NUL", `{"x":"\0",${text.slice(1)}`, "invalid_json"],
		["has a comma too many", text.replace("}]", "},]"), "invalid_json"],
		["is nested 100,000 deep", `${"[".repeat(1e5)}`, "invalid_json"],
		["has no model", "{}", "invalid_request"],
		["has a model of another type", "{\"model\":7}", "invalid_request"],
		["has a member that is ours but for case",
			JSON.stringify({ ...good, STREAM: true }), "invalid_request"],
		["has an empty model", "{\"model\":\"\"}", "model_not_found", 404],
		["names an unknown model", "{\"model\":\"lovelace:no\"}",
			"model_not_found", 404],
		["has options of another type",
			JSON.stringify({ ...good, options: [] }), "invalid_option"],
		["has an unknown option",
			JSON.stringify({ ...good, options: { nothing: 1 } }),
			"invalid_option"],
	]) {
		test(what, async () => {
			const answer = await assay.call("/v1/chat/completions",
				{ key, body, method: "POST", headers: {
					"content-type": "application/json" } });
			assert.equal(answer.status, status, answer.text);
			if (code !== "invalid_request")
				assert.equal(answer.code, code, answer.text);
			assert.equal(typeof answer.json.error.message, "string");
			assert.equal(provider.requests.length, 0);
		});
	}

	for (const [name, value] of [["min_tier", "platinum"], ["min_tier", 3],
		["verified", "yes"], ["pool", "ours"], ["only", "did:assay:x"],
		["only", [7]], ["ignore", [""]], ["order", {}],
		["quantizations", "F16"], ["allow_fallbacks", 1],
		["timeouts", 5], ["timeouts", { first_byte_ms: -1 }],
		["timeouts", { first_byte_ms: 1e12 }], ["timeouts", { never: 1 }],
		["explain", "true"]]) {
		test(`has options.${name} = ${JSON.stringify(value)}`, async () => {
			const answer = await assay.chat(key, MODEL,
				{ options: { [name]: value } });
			assert.equal(answer.status, 400, answer.text);
			assert.equal(answer.code, "invalid_option");
			assert.match(answer.json.error.param, new RegExp(name));
		});
	}

	test("is too large", async () => {
		const answer = await raw(request([`Content-Length: ${2 << 20}`]));
		assert.deepEqual(statuses(answer), [413]);
		assert.match(answer, /request_too_large/);
	});

	test("is too large, in chunks", async () => {
		const chunk = `10000\r\n${"x".repeat(65536)}\r\n`;
		const answer = await raw(request(["Transfer-Encoding: chunked"],
			chunk.repeat(20)));
		assert.deepEqual(statuses(answer), [413]);
	});

	test("is of another kind", async () => {
		const answer = await assay.call("/v1/chat/completions", { key,
			body: text, headers: { "content-type": "text/plain" } });
		assert.equal(answer.status, 415, answer.text);
		assert.equal(answer.code, "unsupported_media_type");
	});
});

describe("an address", () => {
	for (const [where, code, status] of [["/v1/nothing", null, 404],
		["/v1/tasks/nothing", "unknown_task", 400],
		["/v1/models/lovelace:nothing", "model_not_found", 404],
		["/v1/requests/nothing", "request_not_found", 404]]) {
		test(where, async () => {
			const answer = await assay.call(where, { key,
				...(where.includes("tasks")
					? { json: { model: MODEL } } : {}) });
			assert.equal(answer.status, status, answer.text);
			if (code)
				assert.equal(answer.code, code);
		});
	}

	test("another method", async () => {
		const answer = await assay.call("/v1/chat/completions", { key });
		assert.equal(answer.status, 405, answer.text);
	});
});

describe("framing that two readers would read differently is refused", () => {
	const body = "{\"model\":\"x\"}";
	for (const [what, lines, sent] of [
		["two lengths", ["Content-Length: 13", "Content-Length: 4"], body],
		["the same length twice",
			["Content-Length: 13", "Content-Length: 13"], body],
		["a signed length", ["Content-Length: +13"], body],
		["a length in hex", ["Content-Length: 0xd"], body],
		["an empty length", ["Content-Length:"], body],
		["length and chunks", ["Content-Length: 13",
			"Transfer-Encoding: chunked"], "0\r\n\r\n"],
		["an odd coding", ["Transfer-Encoding: xchunked"], body],
		["two codings", ["Transfer-Encoding: gzip, chunked"],
			"0\r\n\r\n"],
		["identity", ["Transfer-Encoding: identity"], body],
		["chunked twice", ["Transfer-Encoding: chunked",
			"Transfer-Encoding: chunked"], "0\r\n\r\n"],
		["a blank before the colon", ["Content-Length : 13"], body],
		["a folded field", ["X: a", " b", "Content-Length: 13"], body],
		["two hosts", ["Host: b", "Content-Length: 13"], body],
		["a NUL in a value", ["X: a\0b", "Content-Length: 13"], body],
		["a bare CR in a value", ["X: a\rb", "Content-Length: 13"], body],
		["a chunk size 0x3", ["Transfer-Encoding: chunked"],
			"0x3\r\nabc\r\n0\r\n\r\n"],
		["a chunk size +3", ["Transfer-Encoding: chunked"],
			"+3\r\nabc\r\n0\r\n\r\n"],
		["a chunk size with a blank", ["Transfer-Encoding: chunked"],
			"3 \r\nabc\r\n0\r\n\r\n"],
		["a chunk size beyond all bounds", ["Transfer-Encoding: chunked"],
			"ffffffffffffffff\r\nabc"],
		["a chunk longer than its size", ["Transfer-Encoding: chunked"],
			"3\r\nabcdef\r\n0\r\n\r\n"],
		["a bare LF in chunks", ["Transfer-Encoding: chunked"],
			"3\nabc\r\n0\r\n\r\n"],
	]) {
		test(what, async () => {
			const answer = await raw(request(lines, sent) + SMUGGLED);
			assert.ok(statuses(answer).length <= 1,
				`the rest was read as another request: ${answer}`);
			assert.ok([400, 413, 501].includes(statuses(answer)[0]),
				answer);
			assert.match(answer.toLowerCase(), /connection: close/);
		});
	}

	test("bare LF line ends", async () => {
		const answer = await raw(
			"GET /v1/models HTTP/1.1\nHost: a\n\n");
		assert.deepEqual(statuses(answer), [400]);
	});

	for (const line of ["GET /v1/models HTTP/2.0", "GET /v1/models http/1.1",
		"GET  /v1/models HTTP/1.1", "GET /v1/models", "GET /\0 HTTP/1.1",
		"GET http://evil/v1/models HTTP/1.1", "\r\nGET / HTTP/1.1"]) {
		test(JSON.stringify(line), async () => {
			const answer = await raw(`${line}\r\nHost: a\r\n\r\n`);
			assert.ok(statuses(answer).every((one) => one >= 400),
				answer);
		});
	}

	test("no Host", async () => {
		const answer = await raw("GET /v1/models HTTP/1.1\r\n\r\n");
		assert.deepEqual(statuses(answer), [400]);
	});
});

describe("size and time", () => {
	test("a head of 10 MB", async () => {
		const answer = await raw(`GET /v1/models HTTP/1.1\r\nHost: a\r\n`
			+ `X: ${"x".repeat(10 << 20)}\r\n\r\n`);
		assert.ok([400, 431].includes(statuses(answer)[0] ?? 431), answer);
	});

	test("100,000 fields", async () => {
		const answer = await raw(`GET /v1/models HTTP/1.1\r\nHost: a\r\n`
			+ "a: b\r\n".repeat(100_000));
		assert.ok([400, 431].includes(statuses(answer)[0] ?? 431), answer);
	});

	test("a head that trickles", async () => {
		const began = Date.now();
		await raw("GET /v1/models HTTP/1.1\r\nHost: a\r\n",
			{ drip: "X: y\r\n" });
		assert.ok(Date.now() - began < 3500);
	});

	test("a body that trickles", async () => {
		const began = Date.now();
		const answer = await raw(request(["Content-Length: 1000"], "{"),
			{ drip: " " });
		assert.ok(Date.now() - began < 3500);
		assert.ok([408].includes(statuses(answer)[0] ?? 408), answer);
	});

	test("a client that says nothing", async () => {
		const began = Date.now();
		await raw("");
		assert.ok(Date.now() - began < 4500);
	});

	test("100 requests in one packet are answered in order", async () => {
		const one = "GET /v1/requests/%d HTTP/1.1\r\nHost: a\r\n"
			+ `Authorization: Bearer ${key}\r\n`;
		const all = Array.from({ length: 100 }, (_, i) =>
			`${one.replace("%d", i)}${i === 99
				? "Connection: close\r\n" : ""}\r\n`).join("");
		const answer = await raw(all);
		assert.equal(statuses(answer).length, 100);
		assert.ok(statuses(answer).every((status) => status === 404));
	});
});

describe("credentials", () => {
	for (const value of ["", "Bearer", "Bearer ", "Basic abc",
		"Bearer lv_live_short", `Bearer ${"x".repeat(20_000)}`,
		"Bearer lv_live_' or 1=1 --"]) {
		test(JSON.stringify(value).slice(0, 40), async () => {
			const answer = await call(`${assay.url}/v1/models`,
				{ headers: { authorization: value } });
			assert.equal(answer.status, 401, answer.text);
			assert.equal(answer.code, "invalid_credential");
		});
	}

	test("revoked takes effect within 2 s", async () => {
		const lost = await assay.key("bad");
		assert.equal((await assay.call("/v1/models", { key: lost })).status,
			200);
		const id = (await assay.cli("key", "list")).find((one) =>
			lost.startsWith(one.hint)).id;
		await assay.cli("key", "revoke", id);
		const began = Date.now();
		let last;
		do
			last = await assay.call("/v1/models", { key: lost });
		while (last.status === 200 && Date.now() - began < 3000);
		assert.equal(last.status, 401);
		assert.ok(Date.now() - began < 2000);
	});
});

describe("after all that", () => {
	test("an honest request is served", async () => {
		const answer = await assay.chat(key, MODEL);
		assert.equal(answer.status, 200, answer.text);
	});
});
