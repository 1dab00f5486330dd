// SPDX-License-Identifier: Apache-2.0
// Promise: a buyer's judgement is durable when it is answered, each refusal has
// its own code; outcomes and feedback become scores and tiers, which gateways
// route by within two seconds; a leader killed at any moment loses nothing; and
// full recomputation gives the same scores to the bit.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { Assay, BUILD, Program, freePort, run, until } from "./harness.mjs";

const MODEL = "lovelace:judged";
let assay, provider, key, other, ports = 0;

before(async () => {
	assay = await Assay.start();
	await assay.workspace("providers");
	await assay.workspace("buyers");
	const file = await assay.pretend(MODEL, { tasks: ["chat"] });
	provider = await assay.servingNodeProvider("providers",
		[[MODEL, file, ["chat"]]]);
	key = await assay.key("buyers");
	other = await assay.key("buyers");
});
after(() => assay?.close());

async function reputation(settings = {}) {
	const program = new Program(`assay-reputation-${++ports}`,
		path.join(BUILD, "assay-reputation"), Object.entries({
			"admin.listen": `127.0.0.1:${await freePort()}`,
			"database.url": assay.postgres.url("assay_reputation"),
			"tick.every": "200ms", ...settings,
		}).map(([name, value]) => `--${name}=${value}`),
		{ log: assay.path("reputation.log") });
	assay.closers.push(() => program.stop());
	await program.line("event=ready");
	return program;
}

function recompute() {
	return run(path.join(BUILD, "assay-reputation"), ["--recompute=true",
		`--database.url=${assay.postgres.url("assay_reputation")}`],
	{ status: 0 });
}

// A request served, once its row is there to be judged.
async function served(who = key) {
	const answer = await assay.chat(who, MODEL);
	assert.equal(answer.status, 200);
	const id = answer.headers["x-request-id"];
	await until("the request's row", () => assay.postgres.value(
		`select 1 from assay.request where id = '${id}'`));
	return id;
}

const feedback = (json, who = key, headers = {}) => assay.call("/v1/feedback",
	{ key: who, json, headers });
const edit = (id, json, who = key) => assay.call(`/v1/feedback/${id}`,
	{ key: who, json, method: "PUT" });
const scores = () => assay.postgres.value("select string_agg(did || task ||"
	+ " tier || coalesce(score::text, '-') || sample_size || parts::text,"
	+ " ',' order by did, task) from assay.score");
const lag = () => assay.postgres.value("select outcomes_waiting"
	+ " + verdicts_waiting + scores_due from operator.reputation_lag");

describe("feedback", () => {
	test("is answered 201 when it is durable, and may be changed", async () => {
		const request_id = await served();
		const given = await feedback({ request_id, quality: 90,
			verdict: "good", issues: ["slow"], comment: "gut – 好" });
		assert.equal(given.status, 201, given.text);
		assert.equal(given.json.request_id, request_id);
		const row = () => assay.postgres.query("select quality, verdict,"
			+ " issues, comment, value, did, counts from assay.feedback"
			+ ` where id = '${given.json.id}'`);
		assert.deepEqual(await row(), [["90", "good", "{slow}", "gut – 好",
			"90", provider.did, "t"]]);
		const edited = await edit(given.json.id, { verdict: "bad" });
		assert.equal(edited.status, 200, edited.text);
		assert.deepEqual(edited.json, { id: given.json.id,
			object: "feedback", request_id, quality: null,
			verdict: "bad", issues: [], comment: null });
		assert.deepEqual(await row(), [["", "bad", "{}", "", "0",
			provider.did, "t"]]);
		const twice = await feedback({ request_id, verdict: "good" });
		assert.equal(twice.status, 409);
		assert.equal(twice.code, "feedback_exists");
		assert.equal((await edit(given.json.id, { verdict: "good" }, other))
			.code, "feedback_not_found");
		await assay.postgres.query("update assay.feedback set created_at ="
			+ ` now() - interval '25 hours' where id = '${given.json.id}'`);
		assert.equal((await edit(given.json.id, { verdict: "good" })).code,
			"feedback_closed");
		await assay.postgres.query("update assay.feedback set created_at ="
			+ " created_at + interval '25 hours'"
			+ ` where id = '${given.json.id}'`);
	});

	test("each mistake has its own code", async () => {
		const request_id = await served();
		for (const [json, status, code] of [
			[{ request_id, quality: 101 }, 400, "feedback_out_of_range"],
			[{ request_id, quality: -1 }, 400, "feedback_out_of_range"],
			[{ request_id, quality: 1.5 }, 400, "feedback_out_of_range"],
			[{ request_id, verdict: "fine" }, 400, "feedback_out_of_range"],
			[{ request_id, verdict: "bad", comment: "x".repeat(1001) }, 400,
				"feedback_out_of_range"],
			[{ request_id, verdict: "bad", issues: ["ugly"] }, 400,
				"unknown_issue"],
			[{ request_id }, 400, "invalid_request"],
			[{ verdict: "good" }, 400, "invalid_request"],
			[{ request_id: "x", verdict: "good" }, 404, "request_not_found"],
			[{ request_id: randomUUID(), verdict: "good" }, 404,
				"request_not_found"],
		]) {
			const answer = await feedback(json);
			assert.equal(answer.status, status, answer.text);
			assert.equal(answer.code, code, JSON.stringify(json));
		}
		assert.equal((await feedback({ request_id, verdict: "good" }, other))
			.code, "request_not_found", "not one's own");
		await assay.postgres.query("update assay.request set outcome ="
			+ ` 'failed' where id = '${request_id}'`);
		assert.equal((await feedback({ request_id, verdict: "good" })).code,
			"request_not_served");
	});

	test("is taken for seven days from the request on", async () => {
		const like = await served();
		// The same request, so many hours ago, by its id and its row.
		const aged = async (hours) => {
			const at = Date.now() - hours * 3_600_000;
			const time = at.toString(16).padStart(12, "0");
			const id = `${time.slice(0, 8)}-${time.slice(8)}-7000-8000-`
				+ randomUUID().slice(24);
			await assay.postgres.query("insert into assay.request (id,"
				+ " created_at, account_id, workspace_id, endpoint, task,"
				+ " canonical, did, pool, tier, quantization, outcome,"
				+ ` status, gateway_instance) select '${id}',`
				+ ` to_timestamp(${at} / 1000.0), account_id, workspace_id,`
				+ " endpoint, task, canonical, did, pool, tier,"
				+ " quantization, outcome, status, gateway_instance"
				+ ` from assay.request where id = '${like}'`);
			return { request_id: id, verdict: "good" };
		};
		const late = await feedback(await aged(7 * 24 + 1));
		assert.equal(late.status, 409, late.text);
		assert.equal(late.code, "feedback_closed");
		const given = await feedback(await aged(7 * 24 - 1));
		assert.equal(given.status, 201, given.text);
	});

	test("an idempotency-key gives the same answer again", async () => {
		const json = { request_id: await served(), verdict: "good" };
		const headers = { "idempotency-key": "once" };
		const first = await feedback(json, key, headers);
		const again = await feedback(json, key, headers);
		assert.equal(first.status, 201);
		assert.equal(again.status, 201, again.text);
		assert.equal(again.json.id, first.json.id);
		assert.equal((await feedback({ ...json, verdict: "bad" }, key,
			headers)).code, "idempotency_conflict");
	});

	test("many at once under one key are one, and conflict if not", async () => {
		const json = { request_id: await served(), verdict: "good" };
		const headers = { "idempotency-key": "at once" };
		const same = await Promise.all(Array.from({ length: 8 },
			() => feedback(json, key, headers)));
		assert.deepEqual(new Set(same.map((one) => one.status)),
			new Set([201]), same.map((one) => one.text).join());
		assert.equal(new Set(same.map((one) => one.json.id)).size, 1);
		const ids = [];
		for (let i = 0; i < 6; i++)
			ids.push(await served());
		const mixed = await Promise.all(ids.map((request_id) => feedback(
			{ request_id, verdict: "good" }, key,
			{ "idempotency-key": "mixed" })));
		assert.deepEqual(mixed.map((one) => one.code ?? "given").sort(),
			["given", ...Array(5).fill("idempotency_conflict")]);
		assert.equal(await assay.postgres.value("select count(*) from"
			+ ` assay.feedback where request_id in ('${ids.join("','")}')`),
		"1");
	});

	test("a key of more than 24 h ago is free, and kept anew", async () => {
		const headers = { "idempotency-key": "old" };
		const old = await feedback({ request_id: await served(),
			verdict: "good" }, key, headers);
		assert.equal(old.status, 201);
		await assay.postgres.query("update assay.idempotency set created_at ="
			+ " now() - interval '25 hours' where key = 'old'");
		const json = { request_id: await served(), verdict: "bad" };
		const first = await feedback(json, key, headers);
		assert.equal(first.status, 201, first.text);
		assert.notEqual(first.json.id, old.json.id);
		const again = await feedback(json, key, headers);
		assert.equal(again.status, 201, again.text);
		assert.equal(again.json.id, first.json.id);
	});

	test("without Postgres it is a 503 and nothing is half-stored", async () => {
		const request_id = await served();
		await assay.postgres.halt();
		const answer = await feedback({ request_id, verdict: "good" });
		assert.equal(answer.status, 503, answer.text);
		assert.equal(answer.code, "upstream_dependency_unavailable");
		assert.ok(Number(answer.headers["retry-after"]) > 0);
		await assay.postgres.open();
		await until("feedback to be taken again", async () =>
			(await feedback({ request_id, verdict: "good" })).status === 201);
	});
});

describe("assay-reputation", () => {
	test("counts what was served; a killed leader loses nothing", async () => {
		const first = await reputation();
		await first.line("event=leads");
		const second = await reputation();
		const buyers = [];
		for (let i = 0; i < 12; i++)
			buyers.push(await assay.key("buyers"));
		for (const [i, who] of buyers.entries()) {
			const request_id = await served(who);
			await feedback({ request_id, quality: 60 + i * 3 }, who);
			if (i === 5)
				await first.kill();
		}
		await second.line("event=leads", { patienceMs: 5000 });
		await until("all to be counted", async () =>
			await lag() === "0" && await scores());
		const [[delivered, verdicts]] = await assay.postgres.query("select"
			+ " round(sum(delivered) / max(assay.evidence_weight("
			+ "assay.utc_day(now())))), (select round(sum(good + bad) / 100 /"
			+ " max(assay.evidence_weight(assay.utc_day(now()))))"
			+ " from assay.verdict_evidence) from assay.outcome_evidence");
		const [[requests, given]] = await assay.postgres.query("select (select"
			+ " count(*) from assay.request_attempt where outcome = 'served'),"
			+ " (select count(*) from assay.feedback)");
		assert.equal(delivered, requests);
		assert.ok(Math.abs(Number(verdicts) - Number(given)) <= 1,
			`${verdicts} of ${given}`);
		const was = await scores();
		await second.stop();
		await until("the lock to be free", async () => {
			await recompute();
			return true;
		});
		assert.equal(await scores(), was);
		const seen = await until("the score at the gateway", async () => {
			const { json } = await assay.call(
				`/v1/providers/${provider.did}`, { key });
			return json.pairs.find((one) => one.parts.quality) && json;
		});
		assert.ok(seen.pairs[0].score > 0);
		assert.ok(seen.pairs[0].sample_size > 10);
		assert.equal(seen.pairs[0].half_life_days, 7);
		assert.equal(seen.pairs[0].parts.next, undefined);
		const mine = await assay.call(`/v1/providers/${provider.did}`,
			{ key: await assay.key("providers") });
		assert.deepEqual(mine.json.not_chosen, []);
		assert.equal(seen.not_chosen, undefined);
		assert.equal(mine.json.pairs[0].parts.next.tier, "silver");
		assert.equal(mine.json.pairs[0].parts.next.days_missing, 7);
	});

	test("a week of good days makes silver, which min_tier asks for", async () => {
		const strict = { options: { min_tier: "silver" } };
		assert.equal((await assay.chat(key, MODEL, strict)).code,
			"no_provider_at_tier");
		await assay.postgres.query("update assay.verdict_evidence set"
			+ " good = good + bad, bad = 0");
		// Each program lives on another day; closes come by themselves. The
		// first days have raters who are new and count for little.
		const day = (n) => new Date(Date.now() + n * 86400e3).toISOString()
			.replace(/T.*/, "T12:00:00Z");
		for (let n = 1; n <= 9; n++) {
			const program = await reputation({ now: day(n),
				"close.grace": "0s" });
			await assay.postgres.query("insert into assay.outcome_new select"
				+ ` timestamptz '${day(n)}' - interval '1 hour',`
				+ ` assay.pair_of('${provider.did}', 'chat', '${MODEL}'),`
				+ " 50, 0, 0, 0, 0, b"
				+ " from generate_series(0, 20) b");
			await until(`day ${n} to be counted`, async () =>
				await lag() === "0" && await assay.postgres.value(
					"select 1 from assay.day_close where day ="
					+ ` '${day(n - 1).slice(0, 10)}'`));
			await program.stop();
		}
		const own = await assay.key("providers");
		await until("reasons to be counted", async () => (await assay.call(
			`/v1/providers/${provider.did}`, { key: own })).json.not_chosen
			.some((one) => one.reason === "below_min_tier"
				&& one.times === 0 && one.model === MODEL));
		assert.deepEqual(await assay.postgres.query("select was, tier, reason"
			+ " from assay.tier_change"), [["bronze", "silver",
			"run_complete"]]);
		const changed = Date.now();
		await until("silver to be routed to", async () =>
			(await assay.chat(key, MODEL, strict)).status === 200, 2000);
		assert.ok(Date.now() - changed < 2000);
		// An audit that fails takes it at once.
		await assay.postgres.query("insert into assay.audit_result values"
			+ ` ('${provider.did}', 'chat', '${MODEL}', now(), 'fingerprint',`
			+ " false, 'test'); insert into assay.score_due values"
			+ ` (assay.pair_of('${provider.did}', 'chat', '${MODEL}'))`
			+ " on conflict do nothing");
		await reputation();
		await until("bronze to be refused", async () =>
			(await assay.chat(key, MODEL, strict)).code
				=== "no_provider_at_tier", 5000);
	});
});

describe("feedback of the provider's own workspace", () => {
	test("is kept and counts nowhere",
		async () => {
			const own = await assay.key("providers");
			const given = await feedback({ request_id: await served(own),
				verdict: "good" }, own);
			assert.equal(given.status, 201, given.text);
			assert.equal(await assay.postgres.value("select counts from"
				+ ` assay.feedback where id = '${given.json.id}'`), "f");
			assert.equal(await assay.postgres.value("select count(*) from"
				+ " assay.verdict_new v join assay.feedback f"
				+ " using (account_id)"
				+ ` where f.id = '${given.json.id}'`), "0");
		});
});
