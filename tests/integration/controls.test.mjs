// SPDX-License-Identifier: Apache-2.0
// Promise: a provider's own limits hold: hours in which the marketplace is
// welcome, and how much at once; its own workspace is served around the clock.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Assay, until } from "./harness.mjs";

const MODEL = "lovelace:hours";
const DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
let assay, daemon, runtime, file, own, buyer;

// A window of the day after tomorrow: closed now in every time zone.
function closed() {
	return { days: [DAYS[(new Date().getUTCDay() + 3) % 7]],
		start: "10:00", end: "11:00", tz: "Europe/Berlin" };
}
const open = { days: DAYS, start: "00:00", end: "24:00", tz: "UTC" };

before(async () => {
	assay = await Assay.start();
	await assay.workspace("makers");
	await assay.workspace("buyers");
	file = await assay.pretend(MODEL);
	runtime = await assay.scriptedRuntime();
	daemon = await assay.daemon("makers", runtime, [[MODEL, file]],
		{ controls: { windows: [closed()], max_concurrency: 2 } });
	own = await assay.key("makers");
	buyer = await assay.key("buyers");
});
after(() => assay?.close());

describe("a provider's controls", () => {
	test("outside its hours only its own workspace is served", async () => {
		await until("its own to be served", async () =>
			(await assay.chat(own, MODEL)).status === 200);
		const answer = await assay.chat(buyer, MODEL);
		assert.equal(answer.status, 503, answer.text);
		assert.equal(answer.code, "no_provider");
		assert.ok(answer.json.error.metadata.rejected.outside_window >= 1);
	});

	test("inside its hours everybody is", async () => {
		await daemon.program.stop();
		daemon.writeOffer([[MODEL, file]],
			{ windows: [closed(), open], max_concurrency: 2 });
		await daemon.start();
		await until("the buyer to be served", async () =>
			(await assay.chat(buyer, MODEL)).status === 200);
	});

	test("no more at once than it said", async () => {
		runtime.hold();
		const under = [1, 2].map(() => assay.chat(buyer, MODEL));
		const held = [await runtime.next(), await runtime.next()];
		const third = await assay.chat(buyer, MODEL);
		assert.equal(third.status, 503, third.text);
		assert.ok(JSON.stringify(third.json).includes("at_capacity")
			|| third.code === "overloaded", third.text);
		runtime.act = undefined;
		for (const one of held)
			one.answer({ object: "chat.completion", choices: [] });
		for (const one of await Promise.all(under))
			assert.equal(one.status, 200);
		assert.equal((await assay.chat(buyer, MODEL)).status, 200);
	});

	test("a runtime that is gone is tried nowhere else, and said", async () => {
		await runtime.close();
		const answer = await assay.chat(buyer, MODEL);
		assert.ok([502, 503].includes(answer.status), answer.text);
	});
});
