// SPDX-License-Identifier: Apache-2.0
// Promise: what cut an answer short is counted against whom it was. A provider
// that ends, dies or falls silent in mid-stream is at fault; a buyer that leaves,
// a gateway that drains, a network that resets before any byte and a dependency
// that is down count against nobody. Each is driven for real, and what stands in
// Postgres afterwards is looked at.
import assert from "node:assert/strict";
import net from "node:net";
import { after, before, describe, test } from "node:test";
import { Assay, call, open, until } from "./harness.mjs";

const NOTHING = { delivered: 0, failed: 0, neither: 0 };
let assay, key, models = 0;

before(async () => {
	assay = await Assay.start({ gateway: { "timeouts.drain": "1s" } });
	await assay.workspace("providers");
	await assay.workspace("buyers");
	key = await assay.key("buyers");
});
after(() => assay?.close());

function servable(model) {
	return until("service", async () => (await assay.call("/v1/route",
		{ key, json: { task: "chat", model } })).json?.choice);
}

// A daemon before a scripted runtime that the test holds, on a model of its own.
async function serving(settings) {
	const model = `lovelace:attributed-${++models}`;
	const file = await assay.pretend(model, { tasks: ["chat"] });
	const runtime = (await assay.scriptedRuntime()).hold();
	const daemon = await assay.daemon("providers", runtime,
		[[model, file, ["chat"]]], { settings });
	await servable(model);
	return { model, runtime, daemon };
}

async function restart(settings) {
	await assay.gateway.stop();
	await assay.startGateway({ "timeouts.drain": "1s", ...settings });
}

function ask(model, more = {}, signal = undefined) {
	return open(`${assay.url}/v1/chat/completions`, { key, signal, json: {
		model, messages: [{ role: "user", content: "go on" }],
		stream: true, ...more } });
}

async function read(answer) {
	const parts = [];
	for await (const part of answer)
		parts.push(part);
	return Buffer.concat(parts).toString();
}

// An answer under way: its first token has reached the buyer.
async function midStream(model, runtime, more) {
	const asked = ask(model, more);
	const held = await runtime.next();
	held.startStream();
	held.token("first");
	const answer = await asked;
	assert.equal(answer.statusCode, 200);
	await new Promise((resolve) => answer.once("readable", resolve));
	return { answer, held, id: answer.headers["x-request-id"] };
}

async function counted(model) {
	const [[delivered, failed, neither]] = await assay.postgres.query(
		"select coalesce(sum(delivered), 0), coalesce(sum(failed), 0),"
		+ " coalesce(sum(not_counted), 0) from operator.outcome_minute"
		+ ` where canonical = '${model}'`);
	return { delivered: Number(delivered), failed: Number(failed),
		neither: Number(neither) };
}

// The request's only attempt as [outcome, code], once it is there, with what all
// of the model's came to.
async function recorded(id, model, wanted) {
	const row = await until("the record", async () =>
		(await assay.postgres.query("select r.outcome, a.outcome,"
			+ " coalesce(a.fault_code, '') from assay.request r"
			+ " join assay.request_attempt a on a.request_id = r.id"
			+ ` where r.id = '${id}'`))[0]);
	assert.equal(row[0], row[1], "the request ended as its attempt");
	assert.deepEqual(await counted(model), { ...NOTHING, ...wanted },
		row.join(" "));
	return row.slice(1);
}

// A way for tunnels that the test can break as a network does.
async function network() {
	const self = { sockets: new Set() };
	const server = net.createServer((near) => {
		const [host, port] = assay.tunnel.split(":");
		const far = net.connect({ host, port });
		for (const socket of [near, far]) {
			self.sockets.add(socket);
			socket.on("error", () => {});
			socket.on("close", () => {
				self.sockets.delete(socket);
				near.destroy();
				far.destroy();
			});
		}
		near.pipe(far).pipe(near);
	});
	await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
	self.address = `127.0.0.1:${server.address().port}`;
	self.reset = () => {
		for (const socket of self.sockets)
			socket.resetAndDestroy();
	};
	assay.closers.push(() => {
		self.reset();
		server.close();
	});
	return self;
}

describe("the provider's fault", () => {
	test("an answer that came whole speaks for it", async () => {
		const { model, runtime } = await serving();
		const { answer, held, id } = await midStream(model, runtime);
		held.token(null, "stop");
		held.endStream();
		assert.match(await read(answer), /\[DONE\]/);
		assert.deepEqual(await recorded(id, model, { delivered: 1 }),
			["served", ""]);
	});

	test("the daemon is killed in mid-stream", async () => {
		const { model, runtime, daemon } = await serving();
		const { answer, id } = await midStream(model, runtime);
		await daemon.program.kill();
		const text = await read(answer);
		assert.match(text, /"code":"truncated"/);
		assert.doesNotMatch(text, /\[DONE\]/);
		assert.deepEqual(await recorded(id, model, { failed: 1 }),
			["truncated", "truncated"]);
	});

	test("the network under it is reset in mid-stream", async () => {
		const way = await network();
		const { model, runtime } = await serving({
			"tunnel.addresses": way.address, "tunnel.count": 1 });
		const { answer, id } = await midStream(model, runtime);
		way.reset();
		await read(answer);
		assert.deepEqual(await recorded(id, model, { failed: 1 }),
			["truncated", "truncated"]);
	});

	test("its runtime dies in mid-stream", async () => {
		const { model, runtime } = await serving();
		const { answer, held, id } = await midStream(model, runtime);
		held.die();
		assert.doesNotMatch(await read(answer), /\[DONE\]/);
		assert.deepEqual(await recorded(id, model, { failed: 1 }),
			["truncated", "provider_error"]);
	});

	test("its runtime ends a stream without its terminal event", async () => {
		const { model, runtime } = await serving();
		const { answer, held, id } = await midStream(model, runtime);
		held.reply.end();
		assert.doesNotMatch(await read(answer), /\[DONE\]/);
		const [outcome] = await recorded(id, model, { failed: 1 });
		assert.equal(outcome, "truncated");
	});

	test("its runtime dies before any byte", async () => {
		const { model, runtime } = await serving();
		// It may be asked again on a fresh connection.
		runtime.act = (exchange) => {
			exchange.die();
			return true;
		};
		const answer = await ask(model);
		assert.equal(answer.statusCode, 502);
		await read(answer);
		assert.deepEqual(await recorded(answer.headers["x-request-id"], model,
			{ failed: 1 }), ["failed", "provider_error"]);
	});
});

// Silence is judged by the operator's limits: short ones, for these.
describe("the provider's silence", () => {
	before(() => restart({ "timeouts.first_byte": "1s",
		"timeouts.first_byte_whole": "2s",
		"timeouts.stall": "300ms" }));
	after(() => restart());

	for (const [who, stall_ms] of [["operator", undefined], ["buyer", 600]]) {
		test(`it stalls in mid-stream, and the ${who} ends it`, async () => {
			const { model, runtime } = await serving();
			const { answer, id } = await midStream(model, runtime,
				{ options: { timeouts: { stall_ms } } });
			assert.match(await read(answer), /"code":"stream_stalled"/);
			assert.deepEqual(await recorded(id, model, { failed: 1 }),
				["truncated", "stream_stalled"]);
		});
	}

	for (const [who, first_byte_ms] of [["operator", undefined],
		["buyer", 1500]]) {
		test(`no byte comes until the ${who} ends it`, async () => {
			const { model, runtime } = await serving();
			const asked = ask(model, { options: {
				timeouts: { first_byte_ms } } });
			await runtime.next();
			const answer = await asked;
			assert.equal(answer.statusCode, 504);
			await read(answer);
			assert.deepEqual(await recorded(
				answer.headers["x-request-id"], model, { failed: 1 }),
			["failed", "first_byte_timeout"]);
		});
	}

	for (const [first_byte_ms, code, counts] of [
		[1500, "buyer_timeout", { neither: 1 }],
		[undefined, "first_byte_timeout", { failed: 1 }]]) {
		test(`an answer in one piece is made: ${code}`, async () => {
			const { model, runtime } = await serving();
			const asked = ask(model, { stream: false, options: {
				timeouts: { first_byte_ms } } });
			await runtime.next();
			const answer = await asked;
			await read(answer);
			assert.deepEqual(await recorded(
				answer.headers["x-request-id"], model, counts),
			["failed", code]);
		});
	}
});

describe("a buyer's own limit, shorter than the operator's", () => {
	test("ends a stream", async () => {
		const { model, runtime } = await serving();
		const { answer, id } = await midStream(model, runtime,
			{ options: { timeouts: { stall_ms: 300 } } });
		assert.match(await read(answer), /"code":"stream_stalled"/);
		assert.deepEqual(await recorded(id, model, { neither: 1 }),
			["truncated", "buyer_timeout"]);
	});

	test("ends the wait for a first byte", async () => {
		const { model, runtime } = await serving();
		const asked = ask(model, { options: {
			timeouts: { first_byte_ms: 300 } } });
		await runtime.next();
		const answer = await asked;
		assert.equal(answer.statusCode, 504);
		assert.match(await read(answer), /"code":"first_byte_timeout"/);
		const id = answer.headers["x-request-id"];
		assert.deepEqual(await recorded(id, model, { neither: 1 }),
			["failed", "buyer_timeout"]);
		const told = await assay.call(`/v1/requests/${id}`, { key });
		assert.equal(told.json.code, "first_byte_timeout");
		assert.equal(told.json.attempts[0].code, "buyer_timeout");
	});

	test("ends it all", async () => {
		const { model, runtime } = await serving();
		const { answer, id } = await midStream(model, runtime,
			{ options: { timeouts: { total_ms: 700 } } });
		assert.match(await read(answer), /"code":"total_timeout"/);
		assert.deepEqual(await recorded(id, model, { neither: 1 }),
			["truncated", "total_timeout"]);
	});
});

// A provider ends its answers well, and they are not what was asked for.
describe("what is no answer", () => {
	const json = "application/json", html = "text/html";
	const events = "text/event-stream";
	const provider_error = ["failed", "provider_error"];
	const rows = [
		["nothing", false, json, "", provider_error],
		["a page", false, html, "<h1>log in</h1>", provider_error],
		["a page for a stream", true, html, "<h1>log in</h1>",
			provider_error],
		["JSON for a stream", true, json, "{}", provider_error],
		["a stream for JSON", false, events, "data: [DONE]\n\n",
			provider_error],
		["an empty stream", true, events, "", ["failed", "truncated"]],
		["half an object", false, json, '{"choices":[{"message":',
			["truncated", "truncated"]],
	];

	// Two providers of one model: the first gives that, the second answers.
	async function pair(type, body) {
		const model = `lovelace:attributed-${++models}`;
		const file = await assay.pretend(model, { tasks: ["chat"] });
		const offer = [[model, file, ["chat"]]];
		const first = await assay.servingNodeProvider("providers", offer);
		const second = await assay.servingNodeProvider("providers", offer);
		first.answer = ({ stream }) => {
			stream.respond({ ":status": 200, "content-type": type });
			stream.end(body);
		};
		return { model, first, second };
	}

	for (const [name, stream, type, body, wanted] of rows) {
		test(`${name}`, async () => {
			const { model, first, second } = await pair(type, body);
			const alone = await ask(model, { stream,
				options: { only: [first.did] } });
			const id = alone.headers["x-request-id"];
			await read(alone).catch(() => {});
			assert.deepEqual(await recorded(id, model, { failed: 1 }),
				wanted);
			const asked = ask(model, { stream,
				options: { order: [first.did, second.did] } });
			if (wanted[0] === "failed") {
				const answer = await asked;
				assert.equal(answer.statusCode, 200);
				await read(answer);
				assert.equal(answer.headers["x-assay-provider"],
					second.did);
			} else {
				await asked.then(read).catch(() => {});
			}
			await first.close();
			await second.close();
		});
	}

	test("what a refusal says of the request is passed on", async () => {
		const { model, first, second } = await pair(json, "");
		await second.close();
		first.answer = ({ stream }) => {
			stream.respond({ ":status": 422, "content-type": html });
			stream.end("<h1>no such voice</h1>");
		};
		const answer = await ask(model);
		assert.equal(answer.statusCode, 422);
		assert.match(await read(answer), /no such voice/);
		assert.deepEqual(await recorded(answer.headers["x-request-id"], model,
			{ neither: 1 }), ["refused", ""]);
		await first.close();
	});
});

describe("nobody's fault", () => {
	test("the buyer leaves in mid-stream", async () => {
		const { model, runtime } = await serving();
		const { answer, held, id } = await midStream(model, runtime);
		answer.destroy();
		assert.deepEqual(await recorded(id, model, { neither: 1 }),
			["buyer_gone", "buyer_gone"]);
		assert.deepEqual(await held.closed, { finished: false });
	});

	test("the buyer leaves before any byte", async () => {
		const { model, runtime } = await serving();
		const gone = new AbortController();
		const asked = ask(model, {}, gone.signal);
		await runtime.next();
		gone.abort();
		await assert.rejects(asked);
		const id = await until("its row", () => assay.postgres.value(
			`select id from assay.request where canonical = '${model}'`));
		const [outcome] = await recorded(id, model, { neither: 1 });
		assert.equal(outcome, "buyer_gone");
	});

	test("a slow buyer is not a stalling provider", async () => {
		const { model, runtime } = await serving();
		const { answer, held, id } = await midStream(model, runtime,
			{ options: { timeouts: { stall_ms: 3000 } } });
		answer.pause();
		const word = "x".repeat(65536);
		for (let i = 0; i < 400 && held.token(word); i++)
			;
		for (let i = 0; i < 200; i++)
			held.token(word);
		held.token(null, "stop");
		held.endStream();
		// Longer than the stall: the wait itself is what is tested.
		await new Promise((resolve) => setTimeout(resolve, 3600));
		assert.match(await read(answer), /\[DONE\]/);
		assert.deepEqual(await recorded(id, model, { delivered: 1 }),
			["served", ""]);
	});

	test("the network resets before any byte", async () => {
		const way = await network();
		const { model, runtime } = await serving({
			"tunnel.addresses": way.address, "tunnel.count": 1 });
		const asked = ask(model);
		await runtime.next();
		way.reset();
		const answer = await asked;
		assert.equal(answer.statusCode, 502);
		assert.match(await read(answer), /provider_unreachable/);
		assert.deepEqual(await recorded(answer.headers["x-request-id"], model,
			{ neither: 1 }), ["failed", "provider_unreachable"]);
	});

	test("the daemon refuses politely", async () => {
		const model = `lovelace:attributed-${++models}`;
		const file = await assay.pretend(model, { tasks: ["chat"] });
		const provider = await assay.servingNodeProvider("providers",
			[[model, file, ["chat"]]]);
		provider.answer = ({ stream }) => {
			stream.respond({ ":status": 503,
				"content-type": "application/json" });
			stream.end(JSON.stringify({ error: {
				code: "capacity_exceeded", message: "full" } }));
		};
		const answer = await ask(model);
		await read(answer);
		assert.deepEqual(await recorded(answer.headers["x-request-id"], model,
			{ neither: 1 }), ["refused", "capacity_exceeded"]);
		await provider.close();
	});

	test("the mint is down", async () => {
		const { model } = await serving();
		await assay.auth.stop();
		const answer = await ask(model);
		assert.equal(answer.statusCode, 503);
		assert.match(await read(answer), /upstream_dependency_unavailable/);
		const id = answer.headers["x-request-id"];
		await until("its row", () => assay.postgres.value("select 1 from"
			+ ` assay.request where id = '${id}' and outcome = 'failed'`));
		assert.equal(await assay.postgres.value("select count(*) from"
			+ ` assay.request_attempt where request_id = '${id}'`), "0");
		assert.deepEqual(await counted(model), NOTHING);
		await assay.startAuth();
		// The dry run needs no mint: readiness says that it is back.
		await until("the gateway to have its mint again", async () =>
			(await call(`${assay.adminUrl}/readyz`)).status === 200);
		await servable(model);
	});

	test("Postgres is away while the daemon is killed", async () => {
		const { model, runtime, daemon } = await serving();
		const { answer, id } = await midStream(model, runtime);
		await assay.postgres.halt();
		await daemon.program.kill();
		assert.match(await read(answer), /"code":"truncated"/);
		await assay.postgres.open();
		assert.deepEqual(await recorded(id, model, { failed: 1 }),
			["truncated", "truncated"]);
	});

	test("the gateway drains in mid-stream", async () => {
		const { model, runtime } = await serving();
		const { answer, id } = await midStream(model, runtime);
		const ended = read(answer).catch((error) => error.message);
		await assay.gateway.stop();
		assert.doesNotMatch(await ended, /\[DONE\]/);
		await assay.startGateway();
		const [outcome] = await recorded(id, model, { neither: 1 });
		assert.equal(outcome, "drained");
	});
});
