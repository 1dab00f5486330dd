// SPDX-License-Identifier: Apache-2.0
// Promise: a provider reads where it stands, with its device certificate or its
// workspace's key: the parts of its scores, what is missing for the next tier, and
// how often it was not chosen and why. Others see the public part. Counts outlive
// the gateway, and a device that is revoked is told so.
import assert from "node:assert/strict";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { Assay, BUILD, Program, freePort, run, until } from "./harness.mjs";

const MODEL = "lovelace:standing";
const SERVED = 7;
let assay, daemon, key, own, device;

before(async () => {
	assay = await Assay.start();
	await assay.workspace("providers");
	await assay.workspace("buyers");
	const file = await assay.pretend(MODEL, { tasks: ["chat"] });
	const runtime = await assay.scriptedRuntime();
	daemon = await assay.daemon("providers", runtime,
		[[MODEL, file, ["chat"]]], { settings: {
			"gateway.ca": assay.operatorCa.certificate,
			"gateway.url": assay.httpsUrl } });
	key = await assay.key("buyers");
	own = await assay.key("providers");
	await until("service", async () =>
		(await assay.chat(key, MODEL)).status === 200);
	for (let i = 1; i < SERVED; i++)
		assert.equal((await assay.chat(key, MODEL)).status, 200);
	const reputation = new Program("assay-reputation",
		path.join(BUILD, "assay-reputation"), [
			`--admin.listen=127.0.0.1:${await freePort()}`,
			`--database.url=${assay.postgres.url("assay_reputation")}`,
			"--tick.every=200ms"],
		{ log: assay.path("reputation.log") });
	assay.closers.push(() => reputation.stop());
	device = await assay.enrol("providers");
	await until("a score at the gateway", async () => (await standing(
		{ key: own })).json.pairs.some((one) => one.parts.delivery?.good));
});
after(() => assay?.close());

function standing(how, did = daemon.did) {
	return assay.call(`/v1/providers/${did}`, how);
}

function byCertificate(who, did) {
	const { certificate: cert, key: secret } = who;
	return fetchHttps(`/v1/providers/${did}`, { cert, key: secret });
}

// The harness' call means an API key by `key`; here it is a private one.
async function fetchHttps(where, tls) {
	const { request } = await import("node:https");
	return new Promise((resolve, reject) => {
		const sent = request(`${assay.httpsUrl}${where}`, { agent: false,
			ca: assay.ca, ...tls }, async (answer) => {
			const parts = [];
			for await (const part of answer)
				parts.push(part);
			const json = JSON.parse(Buffer.concat(parts).toString());
			resolve({ status: answer.statusCode, json,
				code: json.error?.code });
		});
		sent.once("error", reject);
		sent.end();
	});
}

function status(more = [], settings = {}) {
	return run(path.join(BUILD, "assay-provider"), ["status",
		...Object.entries({ ...daemon.settings, ...settings })
			.map(([name, value]) => `--${name}=${value}`), ...more]);
}

// The same where something is wrong: it ends with 1.
async function badStatus(...more) {
	const program = new Program("status", path.join(BUILD, "assay-provider"),
		["status", `--state.folder=${daemon.state}`, ...more]);
	const { code } = await program.ended;
	assert.equal(code, 1);
	return program.lines.join("\n");
}

describe("a provider's standing", () => {
	test("is whole for its workspace, and public for others", async () => {
		const mine = (await standing({ key: own })).json;
		assert.equal(mine.own_workspace, true);
		const [pair] = mine.pairs;
		assert.equal(pair.parts.next.tier, "silver");
		assert.equal(pair.parts.next.days_missing, 7);
		assert.equal(pair.half_life_days, 7);
		assert.equal(pair.parts.delivery.good, 10);
		assert.equal(pair.parts.delivery.bad, 0);
		assert.equal(pair.parts.delivery.value, 0.76);
		assert.equal(pair.sample_size, 10);
		assert.equal(pair.score, 76);
		assert.match(pair.updated_at, /T00:00:00Z$/);
		assert.ok(Array.isArray(mine.not_chosen));
		const theirs = (await standing({ key })).json;
		assert.equal(theirs.own_workspace, false);
		assert.equal(theirs.pairs[0].parts.next, undefined);
		assert.equal(theirs.not_chosen, undefined);
		assert.equal(theirs.pairs[0].score, pair.score);
	});

	test("stands still when one more request is answered", async () => {
		const was = (await standing({ key: own })).json.pairs;
		assert.equal((await assay.chat(key, MODEL)).status, 200);
		await until("the request to count", async () => await assay.postgres
			.value("select sample_size > 7.5 from assay.score") === "t");
		// The gateway has read it when it knows what was written after it.
		await assay.postgres.query("update assay.score set tier = 'silver'");
		await until("the gateway to know", async () => (await standing(
			{ key: own })).json.pairs[0].tier === "silver");
		await assay.postgres.query("update assay.score set tier = 'bronze'");
		await until("the gateway to know", async () => (await standing(
			{ key: own })).json.pairs[0].tier === "bronze");
		assert.deepEqual((await standing({ key: own })).json.pairs, was);
	});

	test("is there for the device's own certificate", async () => {
		const mine = await byCertificate(device, device.did);
		assert.equal(mine.status, 200, JSON.stringify(mine.json));
		assert.equal(mine.json.own_workspace, true);
		assert.deepEqual(mine.json.not_chosen, []);
		const others = await byCertificate(device, daemon.did);
		assert.equal(others.status, 403);
		assert.equal(others.code, "insufficient_scopes");
	});

	test("a certificate opens nothing else", async () => {
		for (const where of ["/v1/models", "/v1/requests/x"]) {
			const answer = await fetchHttps(where,
				{ cert: device.certificate, key: device.key });
			assert.equal(answer.status, 401);
			assert.equal(answer.code, "invalid_credential");
		}
		const none = await fetchHttps(`/v1/providers/${device.did}`, {});
		assert.equal(none.status, 401);
	});

	test("status prints it", async () => {
		const text = await status();
		assert.match(text, /^state +running$/m);
		assert.match(text, /^standing +lovelace:standing chat +tier bronze/m);
		assert.match(text, /delivery +\d+\.\d of 100, weight 40/);
		assert.match(text, /next +silver: days in a row at 70 or more, 0 done, 7 missing/);
		const json = JSON.parse(await status(["--json"]));
		assert.equal(json.running, true);
		assert.equal(json.standing.did, daemon.did);
		assert.equal(json.standing.pairs[0].parts.next.tier, "silver");
	});

	test("status without a gateway's address says so", async () => {
		const text = await status([], { "gateway.url": "" });
		assert.match(text, /^standing +unknown: gateway.url is not set/m);
		const away = JSON.parse(await status(["--json"], {
			"gateway.url": `https://127.0.0.1:${await freePort()}` }));
		assert.equal(away.standing, null);
		assert.ok(away.standing_why.length > 0);
	});
});

describe("not chosen", () => {
	const counts = async () => Object.fromEntries((await assay.postgres.query(
		"select reason, sum(times) from assay.not_chosen where did ="
		+ ` '${daemon.did}' group by 1`)).map(([reason, times]) =>
		[reason, Number(times)]));
	const refused = () => assay.chat(key, MODEL,
		{ options: { min_tier: "gold" } });

	test("is written when the gateway drains", async () => {
		const was = (await counts()).below_min_tier ?? 0;
		for (let i = 0; i < 7; i++)
			assert.equal((await refused()).code, "no_provider_at_tier");
		await assay.gateway.stop();
		assert.equal((await counts()).below_min_tier, was + 7);
		await assay.startGateway();
		await until("service", async () =>
			(await assay.chat(key, MODEL)).status === 200, 40_000);
	});

	test("is spooled where Postgres is away, and written later", async () => {
		const was = (await counts()).below_min_tier;
		for (let i = 0; i < 3; i++)
			await refused();
		await assay.postgres.halt();
		for (let i = 0; i < 2; i++)
			await refused();
		await assay.gateway.stop();
		await assay.postgres.open();
		assert.equal((await counts()).below_min_tier, was);
		await assay.startGateway();
		await until("the counts", async () =>
			(await counts()).below_min_tier === was + 5);
		const { json } = await standing({ key: own });
		assert.equal(json.not_chosen.find((one) =>
			one.reason === "below_min_tier").times,
		Math.round((was + 5) / 10) * 10);
	});
});

describe("a revoked device", () => {
	test("is told why, says so, and does not dial again soon", async () => {
		await until("a tunnel", async () =>
			JSON.parse(await status(["--json"])).tunnels.some((one) => one.up));
		await assay.cli("device", "revoke", daemon.did);
		await daemon.program.line("code=device_revoked");
		const told = await until("the status", async () => {
			const json = JSON.parse(await badStatus("--json"));
			return json.revoked && json;
		});
		assert.deepEqual(told.judgements, {});
		assert.ok(told.tunnels.every((one) => !one.up
			&& one.code === "device_revoked"));
		const text = await badStatus();
		assert.match(text, /^state +revoked/m);
		assert.match(text, /gateway: device_revoked/);
		const pauses = daemon.program.lines.filter((line) =>
			/event=tunnel_down.*code=device_revoked/.test(line))
			.map((line) => Number(/again_ms=(\d+)/.exec(line)[1]));
		assert.ok(pauses.length >= 2);
		assert.ok(pauses.every((ms) => ms >= 600_000), `${pauses}`);
	});

	test("reads no standing any more", async () => {
		await assay.cli("device", "revoke", device.did);
		const answer = await until("the refusal", async () => {
			const one = await byCertificate(device, device.did);
			return one.status === 403 && one;
		});
		assert.equal(answer.code, "device_revoked");
	});
});

describe("HEAD", () => {
	test("is answered where GET is, without a body", async () => {
		const got = await assay.call("/v1/models", { key });
		const head = await assay.call("/v1/models", { key, method: "HEAD" });
		assert.equal(head.status, 200);
		assert.equal(head.text, "");
		assert.equal(head.headers["content-type"],
			got.headers["content-type"]);
		const not = await assay.call("/v1/chat/completions",
			{ key, method: "HEAD" });
		assert.equal(not.status, 405);
	});
});

describe("numbers", () => {
	test("of a request are short", async () => {
		const made = await assay.call("/v1/route", { key,
			json: { task: "chat", model: MODEL } });
		assert.equal(made.status, 200);
		const id = await assay.postgres.value("select id from assay.request"
			+ " where outcome = 'served' limit 1");
		const { text, json } = await assay.call(`/v1/requests/${id}`, { key });
		assert.equal(json.id, id, text);
		assert.ok(json.timings.total_ms > 0);
		for (const [number] of text.matchAll(/\d+\.\d+/g))
			assert.ok(number.split(".")[1].length <= 4, number);
	});
});
