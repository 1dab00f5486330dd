// SPDX-License-Identifier: Apache-2.0
// Promise: the gateway may be killed at any moment: tunnels come back by
// themselves, and no request that was answered is missing from the record. The
// same holds while Postgres is away.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Assay, until } from "./harness.mjs";

const MODEL = "lovelace:lasting";
let assay, key, runtime;

before(async () => {
	assay = await Assay.start();
	await assay.workspace("lasting");
	await assay.workspace("buyers");
	const file = await assay.pretend(MODEL);
	runtime = await assay.scriptedRuntime();
	await assay.daemon("lasting", runtime, [[MODEL, file]],
		{ controls: { max_concurrency: 16 } });
	key = await assay.key("buyers");
});
after(() => assay?.close());

async function recorded(ids) {
	const rows = await assay.postgres.query("select id from assay.request");
	const there = new Set(rows.map(([id]) => id));
	return ids.filter((id) => !there.has(id));
}

// Asks until told to stop; gives the ids of the answers that came whole.
function asking() {
	const ids = [];
	let stop = false;
	const ended = Promise.all([1, 2, 3, 4].map(async () => {
		while (!stop) {
			const answer = await assay.chat(key, MODEL)
				.catch(() => null);
			if (answer?.status === 200)
				ids.push(answer.headers["x-request-id"]);
			else
				await new Promise((resolve) =>
					setImmediate(resolve));
		}
	}));
	return { ids, async end() {
		stop = true;
		await ended;
		return ids;
	} };
}

describe("the gateway", () => {
	test("is killed, and nothing that was answered is lost", async () => {
		const load = asking();
		await until("some answers", () => load.ids.length > 50);
		await assay.gateway.kill();
		const before = load.ids.length;
		await assay.startGateway();
		await until("the tunnels to come back by themselves",
			() => load.ids.length > before + 20, 40_000);
		const ids = await load.end();
		assert.ok(ids.length > 70);
		await until("the record", async () =>
			(await recorded(ids)).length === 0);
	});

	test("ends a request before it ends itself", async () => {
		runtime.hold();
		const answer = assay.chat(key, MODEL);
		const held = await runtime.next();
		const stopped = assay.gateway.stop();
		await assay.gateway.line(/drain/);
		held.answer({ object: "chat.completion", choices: [] });
		assert.equal((await answer).status, 200);
		await stopped;
		assert.equal(assay.gateway.exit.code, 0);
		runtime.act = undefined;
		await assay.startGateway();
		await until("service again", async () =>
			(await assay.chat(key, MODEL)).status === 200, 40_000);
	});
});

describe("Postgres", () => {
	test("goes away: a warm gateway routes on, and loses nothing", async () => {
		await assay.chat(key, MODEL);
		await assay.postgres.halt();
		const ids = [];
		for (let i = 0; i < 20; i++) {
			const answer = await assay.chat(key, MODEL);
			assert.equal(answer.status, 200, answer.text);
			ids.push(answer.headers["x-request-id"]);
		}
		const stranger = await assay.chat(
			`lv_live_${"q".repeat(40)}`, MODEL);
		assert.equal(stranger.status, 503, stranger.text);
		assert.equal(stranger.code, "upstream_dependency_unavailable");
		assert.ok(stranger.headers["retry-after"]);
		await assay.postgres.open();
		await until("the record", async () =>
			(await recorded(ids)).length === 0, 30_000);
	});
});
