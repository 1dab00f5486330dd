// SPDX-License-Identifier: Apache-2.0
// Promise: one slow buyer slows nobody else on the same tunnel, and a buyer that
// has stopped reading costs the gateway a bounded amount of memory, however much
// the provider has to say.
import assert from "node:assert/strict";
import fs from "node:fs";
import { after, before, describe, test } from "node:test";
import { Assay, open, until, within } from "./harness.mjs";

const MODEL = "lovelace:flow", GIGABYTE = 1 << 30, PIECE = 1 << 16;
let assay, provider, key;

before(async () => {
	assay = await Assay.start({ gateway: { "timeouts.stall": "5m" } });
	await assay.workspace("flow");
	const file = await assay.pretend(MODEL);
	provider = await assay.servingNodeProvider("flow", [[MODEL, file]]);
	key = await assay.key("flow");
});
after(() => assay?.close());

function ask(name) {
	return open(`${assay.url}/v1/chat/completions`, { key, json: {
		model: MODEL, stream: true, user: name,
		messages: [{ role: "user", content: "x" }] } });
}

// The resident memory of all processes of the gateway, in bytes.
function residentBytes() {
	let total = 0;
	for (const entry of fs.readdirSync("/proc")) {
		if (!/^\d+$/.test(entry))
			continue;
		try {
			const group = fs.readFileSync(`/proc/${entry}/stat`, "utf8")
				.split(") ")[1].split(" ")[2];
			if (Number(group) !== assay.gateway.pid)
				continue;
			const status = fs.readFileSync(`/proc/${entry}/status`,
				"utf8");
			total += 1024 * Number(/VmRSS:\s+(\d+)/.exec(status)[1]);
		} catch {
			// It has ended meanwhile.
		}
	}
	return total;
}

// Writes as much as is taken, up to `bytes`; counts what has been handed over.
function pour(stream, bytes) {
	const piece = Buffer.from(`data: ${"x".repeat(PIECE - 8)}\n\n`);
	const poured = { bytes: 0 };
	const closed = new Promise((resolve) => stream.once("close", resolve));
	poured.done = (async () => {
		while (poured.bytes < bytes && !stream.destroyed) {
			poured.bytes += piece.length;
			if (!stream.write(piece)) {
				await Promise.race([closed, new Promise((resolve) =>
					stream.once("drain", resolve))]);
			}
		}
		if (!stream.destroyed)
			stream.end("data: [DONE]\n\n");
	})();
	return poured;
}

function eventStream(stream) {
	stream.respond({ ":status": 200, "content-type": "text/event-stream" });
	return stream;
}

describe("flow control", () => {
	test("two that have stopped reading do not slow a third", async () => {
		provider.hold();
		const slow = [];
		for (const name of ["slow-1", "slow-2"]) {
			const answer = ask(name);
			const request = await provider.next();
			slow.push({ request,
				poured: pour(eventStream(request.stream), GIGABYTE),
				answer: await answer });
		}
		// Both are stuck: what was poured no longer grows between two
		// whole streams of the fast buyer.
		let last = -1;
		await until("the slow ones to be stuck", async () => {
			const total = slow[0].poured.bytes + slow[1].poured.bytes;
			const same = total === last;
			last = total;
			await fastStream(50);
			return same;
		});
		// Each event waits for the one before it to arrive: whatever the
		// stuck ones held of what the streams share, these would not come.
		assert.equal(await fastStream(2000), 2000);
		for (const one of slow) {
			assert.ok(one.poured.bytes < 64 << 20,
				`${one.poured.bytes} bytes were taken in`);
			one.answer.destroy();
			await within("the slow stream's end", one.request.closed);
		}
	});

	// Each event is sent when the one before has arrived. How many did.
	async function fastStream(count) {
		const answer = ask("fast");
		const { stream } = await provider.next();
		eventStream(stream);
		stream.write("data: 0\n\n");
		let seen = 0;
		const body = await answer;
		for await (const part of body) {
			seen += part.toString().split("data: ").length - 1;
			if (seen <= count)
				stream.write(`data: ${seen}\n\n`);
			else
				break;
		}
		stream.end("data: [DONE]\n\n");
		return seen - 1;
	}

	test("1 GB to a reader that has stopped, then to one that reads", async () => {
		const before = residentBytes();
		const answer = ask("stopped");
		const { stream } = await provider.next();
		const poured = pour(eventStream(stream), GIGABYTE);
		const body = await answer;
		let last = -1;
		await until("the flow to stand still", async () => {
			const same = poured.bytes === last;
			last = poured.bytes;
			await fastStream(50);
			return same;
		});
		const stuck = residentBytes() - before;
		assert.ok(stuck < 96 << 20, `${stuck >> 20} MiB more`);
		let bytes = 0, most = 0;
		for await (const part of body) {
			bytes += part.length;
			if (bytes - most > 64 << 20) {
				most = bytes;
				const more = residentBytes() - before;
				assert.ok(more < 160 << 20, `${more >> 20} MiB more`);
			}
		}
		assert.ok(bytes >= GIGABYTE, `${bytes} bytes came`);
		await poured.done;
	});
});
