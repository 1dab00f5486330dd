// SPDX-License-Identifier: Apache-2.0
// Promise: what a provider says it runs is compared with the catalog, every
// refusal has its one reason, and a provider whose files are not known never sees
// one marketplace request.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import fs from "node:fs";
import { after, before, describe, test } from "node:test";
import { Assay, fileEntry, pretendModel, statementOf, until }
	from "./harness.mjs";

const MODEL = "lovelace:printed", SHARDED = "lovelace:sharded";
const BRIDGED = "lovelace:bridged", GONE = "lovelace:gone";
let assay, file, shards, gone, key;

before(async () => {
	assay = await Assay.start({ gateway: { "tunnel.reprobe_least": "1s",
		"tunnel.reprobe_most": "2s" } });
	await assay.workspace("makers");
	await assay.workspace("buyers");
	file = await assay.pretend(MODEL, { tasks: ["chat"] });
	shards = [1, 2].map((n) => pretendModel(assay.path("shards"),
		`part-${n}.gguf`));
	await assay.catalog(SHARDED, shards, { tasks: ["chat"] });
	gone = await assay.pretend(GONE, { tasks: ["chat"] });
	await assay.cli("catalog", "revoke", GONE);
	key = await assay.key("buyers");
});
after(() => assay?.close());

const claim = (canonical, files, more = {}) => ({ canonical, tasks: ["chat"],
	files: files.map(fileEntry), quantization: "F16", ...more });

async function judged(model, more) {
	const provider = await assay.nodeProvider("makers");
	const verdict = await provider.join(statementOf([model], more));
	assert.equal(verdict.models.length, 1);
	return { provider, ...verdict.models[0] };
}

describe("admission", () => {
	test("accepts what the catalog has", async () => {
		const { provider, status, reason } = await judged(
			claim(MODEL, [file]));
		assert.equal(status, "accepted");
		assert.equal(reason, null);
		await provider.close();
	});

	test("counts hashes, not names or order", async () => {
		const model = claim(SHARDED, [...shards].reverse());
		model.files.forEach((one) => { one.name = "x"; });
		const { provider, status } = await judged(model);
		assert.equal(status, "accepted");
		await provider.close();
	});

	test("a claim refused from the first is no failed audit", async () => {
		const { provider, status } = await judged(claim(MODEL,
			[pretendModel(assay.path("first"))]));
		assert.equal(status, "refused");
		await provider.hellos.take("the first hello");
		await provider.hellos.take("another look");
		assert.equal(await assay.postgres.value("select count(*) from"
			+ ` assay.audit_result where did = '${provider.did}'`), "0");
		await provider.close();
	});

	for (const [reason, model, more] of [
		["unknown_hash", () => claim(MODEL,
			[pretendModel(assay.path("unknown"))])],
		["artifact_incomplete", () => claim(SHARDED, [shards[0]])],
		["claim_mismatch", () => claim(SHARDED, [file])],
		["claim_mismatch", () => claim(MODEL, [file],
			{ quantization: "Q4_0" })],
		["runtime_mismatch", () => claim(MODEL, [file]),
			{ runtime: { kind: "ollama", version: "1" } }],
		["task_not_in_catalog", () => claim(MODEL, [file],
			{ tasks: ["chat", "speech"] })],
		["model_withdrawn", () => claim(GONE, [gone])],
	]) {
		test(`refuses with ${reason}`, async () => {
			const { provider, status, reason: said } = await judged(
				model(), more);
			assert.equal(status, "refused");
			assert.equal(said, reason);
			assert.ok((await assay.postgres.query("select 1 from"
				+ " assay.fingerprint where did ="
				+ ` '${provider.did}' and status = 'refused'`
				+ ` and reason = '${reason}'`)).length > 0);
			await provider.close();
		});
	}

	test("a provider of unknown files never sees a request", async () => {
		const good = await assay.servingNodeProvider("makers",
			[[MODEL, file, ["chat"]]]);
		const { provider: bad } = await judged(claim(MODEL,
			[pretendModel(assay.path("never"))]));
		for (let i = 0; i < 50; i++)
			assert.equal((await assay.chat(key, MODEL)).status, 200);
		await good.close();
		await until("nobody", async () =>
			(await assay.chat(key, MODEL)).code === "no_provider");
		assert.equal(good.requests.length, 50);
		assert.equal(bad.requests.length, 0);
		await bad.close();
	});

	test("a cloud bridge is known by its descriptor", async () => {
		const descriptor = { base_url: "https://127.0.0.1:1/v1",
			model: "upstream-1", revision: "2026-01-01" };
		const where = assay.path("upstream.json");
		fs.writeFileSync(where, JSON.stringify(descriptor));
		await assay.cli("catalog", "add", "--canonical", BRIDGED,
			"--task", "chat", "--quantization", "none",
			"--runtime", "cloud_bridge", "--descriptor", where);
		const canonical = JSON.stringify({ base_url: descriptor.base_url,
			model: descriptor.model, revision: descriptor.revision });
		const { provider, status, reason } = await judged({
			canonical: BRIDGED, tasks: ["chat"], quantization: "none",
			files: [{ name: "upstream.json", size: canonical.length,
				sha256: createHash("sha256").update(canonical)
					.digest("hex") }] },
		{ runtime: { kind: "cloud_bridge", version: "1" } });
		assert.equal(status, "accepted", reason);
		await provider.close();
	});
});

describe("the daemon", () => {
	test("a model swapped on disk is withdrawn", async () => {
		const runtime = await assay.scriptedRuntime();
		const own = assay.path("own.gguf");
		fs.copyFileSync(file, own);
		const daemon = await assay.daemon("makers", runtime,
			[[MODEL, own, ["chat"]]]);
		await until("the daemon to serve", async () =>
			(await assay.chat(key, MODEL)).status === 200);
		fs.writeFileSync(own, Buffer.concat([Buffer.from("GGUF"),
			Buffer.alloc(4096, 7)]));
		await until("the offer to go", async () =>
			(await assay.chat(key, MODEL)).code === "no_provider");
		const seen = runtime.requests.length;
		for (let i = 0; i < 5; i++)
			assert.equal((await assay.chat(key, MODEL)).status, 503);
		assert.equal(runtime.requests.length, seen);
		assert.deepEqual(await assay.postgres.query("select reason from"
			+ ` assay.fingerprint where did = '${daemon.did}'`
			+ " and status = 'refused' limit 1"), [["unknown_hash"]]);
		// Each session that had been accepted has failed an audit, once.
		const audits = () => assay.postgres.query("select task, canonical,"
			+ " kind, agrees, detail from assay.audit_result"
			+ ` where did = '${daemon.did}'`);
		await until("both tunnels to be audited", async () =>
			(await audits()).length === 2);
		for (const audit of await audits()) {
			assert.deepEqual(audit, ["chat", MODEL, "fingerprint", "f",
				"unknown_hash"]);
		}
		assert.equal(await assay.postgres.value("select"
			+ " count(distinct d.pair) from assay.score_due d"
			+ " join assay.pair p on p.id = d.pair"
			+ ` where did = '${daemon.did}'`), "1");
	});
});

describe("the catalog", () => {
	test("a model that is withdrawn leaves within 2 s", async () => {
		const provider = await assay.servingNodeProvider("makers",
			[[MODEL, file, ["chat"]]]);
		await until("it to serve", async () =>
			(await assay.chat(key, MODEL)).status === 200);
		const began = Date.now();
		await assay.cli("catalog", "revoke", MODEL);
		await until("it to leave", async () =>
			(await assay.chat(key, MODEL)).status !== 200, 3000);
		assert.ok(Date.now() - began < 2500);
		const last = await until("to be told why", async () => {
			const one = await provider.verdicts.take("a verdict");
			return one.models[0].status === "refused" && one;
		});
		assert.equal(last.models[0].reason, "model_withdrawn");
	});
});
