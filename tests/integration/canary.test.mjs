// SPDX-License-Identifier: Apache-2.0
// Promise: a provider is asked now and then as any buyer would ask, and what its
// model answers is held against what others of the model, or it itself, answered.
// An honest one agrees; one that serves another model behind its daemon's back is
// caught and loses its tier. Nobody's usage grows by it. The models are real.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { Assay, BUILD, Program, call, freePort, pretendModel, realModel, statementOf,
	fileEntry, until } from "./harness.mjs";

const MODEL = "lovelace:audited", QUIET = "lovelace:quiet";
const SOME = 60_000;
let assay, honest, other, daemons, ways, key;

// Between a daemon and its runtime: what the daemon cannot see being changed.
async function way(target) {
	const self = { target, requests: [], held: null };
	const server = http.createServer((request, reply) => {
		const parts = [];
		request.on("data", (part) => parts.push(part));
		request.on("end", () => {
			const body = Buffer.concat(parts);
			if (request.method === "POST") {
				self.requests.push({ headers: request.headers,
					json: JSON.parse(body) });
			}
			if (self.held !== null && request.method === "POST") {
				self.held.push(reply);
				return;
			}
			const on = http.request(`${self.target.url}${request.url}`, {
				method: request.method, headers: request.headers,
				agent: false }, (answer) => {
				reply.writeHead(answer.statusCode, answer.headers);
				answer.pipe(reply);
			});
			on.on("error", () => reply.destroy());
			on.end(body);
		});
	});
	await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
	self.url = `http://127.0.0.1:${server.address().port}`;
	assay.closers.push(() => server.close());
	return self;
}

before(async () => {
	const prompts = path.join(mkdtempSync(path.join(tmpdir(), "canary-")),
		"prompts");
	writeFileSync(prompts, Array.from({ length: 50 }, (_, i) =>
		`A line of the operator's, number ${i}`).join("\n"));
	assay = await Assay.start({ gateway: { "canary.per_day": 86400,
		"canary.prompts": prompts } });
	assay.closers.push(() => rmSync(path.dirname(prompts),
		{ recursive: true }));
	await assay.workspace("buyers");
	key = await assay.key("buyers");
	honest = await assay.realRuntime(1, "audited");
	other = await assay.realRuntime(2, "audited");
	await assay.catalog(MODEL, await realModel(1), { tasks: ["chat"] });
	daemons = [];
	ways = [];
	for (const name of ["one", "two", "three", "four"]) {
		await assay.workspace(name);
		const between = await way(honest);
		ways.push(between);
		daemons.push(await assay.daemon(name, between,
			[[MODEL, await realModel(1), ["chat"]]],
			{ controls: { max_concurrency: 4 } }));
	}
	const reputation = new Program("assay-reputation",
		path.join(BUILD, "assay-reputation"), [
			`--admin.listen=127.0.0.1:${await freePort()}`,
			`--database.url=${assay.postgres.url("assay_reputation")}`,
			"--tick.every=200ms"], { log: assay.path("reputation.log") });
	assay.closers.push(() => reputation.stop());
});
after(() => assay?.close());

async function found(did) {
	const rows = await assay.postgres.query("select agrees, count(*) from"
		+ " assay.audit_result where kind = 'canary'"
		+ ` and did = '${did}' group by 1`);
	const by = Object.fromEntries(rows.map(([is, n]) => [is, Number(n)]));
	return { agrees: by.t ?? 0, disagrees: by.f ?? 0 };
}

// They have their tier by good deliveries.
async function raise(dids) {
	for (const did of dids) {
		await assay.postgres.query("insert into assay.outcome_new select"
			+ ` now(), assay.pair_of('${did}', 'chat', '${MODEL}'), 50,`
			+ " 0, 0, 0, 0, b"
			+ " from generate_series(0, 20) b");
	}
	for (const did of dids) await until("a score", () => tierOf(did), SOME);
	const list = dids.map((did) => `'${did}'`).join();
	await assay.postgres.query("update assay.score set tier = 'gold',"
		+ ` silver_days = 14, gold_days = 14 where did in (${list})`);
}

const tierOf = (did) => assay.postgres.value("select tier from assay.score"
	+ ` where did = '${did}' and canonical = '${MODEL}'`);

describe("canaries", () => {
	test("honest providers agree, with themselves and with each other",
		async () => {
			for (const { did } of daemons) {
				await until("two that agree", async () =>
					(await found(did)).agrees >= 2, SOME);
			}
			// Newcomers are no voices.
			assert.equal(await assay.postgres.value("select count(*) from"
				+ " assay.audit_result where detail::json->>'against'"
				+ " = 'majority'"), "0");
			await raise(daemons.map(({ did }) => did));
			await until("a majority to speak", () =>
				assay.postgres.value("select 1 from assay.audit_result"
					+ " where detail::json->>'against' = 'majority'"
					+ " limit 1"), SOME);
			assert.equal(await assay.postgres.value("select count(*) from"
				+ " assay.audit_result where not agrees"), "0");
		});

	test("look like a buyer's request", async () => {
		const seen = [...ways[0].requests];
		const before = ways.map((one) => one.requests.length);
		// As the official clients do, it says what it accepts.
		const answer = await assay.call("/v1/chat/completions", { key,
			headers: { accept: "application/json" }, json: { model: MODEL,
				messages: [{ role: "user", content: "the gateway" }] } });
		assert.equal(answer.status, 200);
		const real = ways.flatMap((one, i) => one.requests.slice(before[i]))
			.find((one) => one.json.messages[0].content === "the gateway");
		const names = (one) => Object.keys(one.headers).sort().join();
		for (const one of seen) {
			assert.equal(names(one), names(real));
			assert.equal(one.json.temperature, 0);
			assert.equal(one.json.logprobs, true);
			assert.equal(one.json.stream, undefined);
			assert.doesNotMatch(JSON.stringify(one), /canary|audit /i);
		}
		const said = new Set(ways.flatMap((one) => one.requests).map((one) =>
			one.json.messages[0].content));
		assert.ok(said.size > 1);
		assert.ok([...said].some((one) => one.includes("operator's")));
		const [[account, pool, same]] = await assay.postgres.query(
			"select h.account_id, h.pool, (select count(*) from"
			+ " assay.account a where a.id = h.account_id)"
			+ ` from assay.handoff h where did = '${daemons[0].did}'`
			+ " limit 1");
		assert.match(account, /^01[0-9a-f]{6}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab]/);
		assert.equal(pool, "marketplace");
		assert.equal(same, "0");
	});

	test("are no request, no usage and no delivery", async () => {
		assert.equal(await assay.postgres.value("select count(*) from"
			+ " assay.request where account_id not in (select id from"
			+ " assay.account)"), "0");
		assert.ok(Number(await assay.postgres.value("select count(*)"
			+ " from assay.request_attempt")) < 10);
		const { text: metrics } = await call(`${assay.adminUrl}/metrics`);
		const agreed = /assay_canaries_total\{result="agrees"\} (\d+)/
			.exec(metrics);
		assert.ok(Number(agreed[1]) >= 8, metrics.slice(0, 200));
	});

	test("one that answers late holds up no other", async () => {
		ways[2].held = [];
		await until("one that waits", () => ways[2].held.length > 0, SOME);
		const asked = ways.map((one) => one.requests.length);
		for (const i of [0, 1, 3]) {
			await until("others to be asked", () =>
				ways[i].requests.length >= asked[i] + 3, SOME);
		}
		const { text: metrics } = await call(`${assay.adminUrl}/metrics`);
		assert.match(metrics, /^assay_canaries_overdue \d+$/m);
		assert.ok(ways[2].held.some((reply) => !reply.destroyed));
		for (const reply of ways[2].held) reply.destroy();
		ways[2].held = null;
	});

	test("name another account each time", async () => {
		const { did } = daemons[1];
		const [[times, accounts, workspaces]] = await assay.postgres.query(
			"select count(*), count(distinct account_id),"
			+ " count(distinct workspace_id) from assay.handoff"
			+ ` where did = '${did}' and account_id not in`
			+ " (select id from assay.account)");
		assert.ok(Number(times) >= 2);
		assert.equal(accounts, times);
		assert.equal(workspaces, times);
	});

	test("keep an answer of each, as its voice and its measure", async () => {
		assert.equal(await assay.postgres.value("select count(*) from"
			+ " assay.canary_answer where own is null"), "0");
		assert.ok(Number(await assay.postgres.value("select count(distinct"
			+ " did) from assay.canary_answer")) >= 4);
	});

	test("never go to a private model or a closed window", async () => {
		const file = await assay.pretend(QUIET, { tasks: ["chat"],
			workspace: "one" });
		const provider = await assay.servingNodeProvider("one",
			[[QUIET, file, ["chat"]]]);
		const closed = await assay.nodeProvider("two");
		await closed.join(statementOf([{ canonical: MODEL,
			tasks: ["chat"], files: [fileEntry(await realModel(1))],
			quantization: "F16", context_length: 8192 }]));
		await until("its events to be listened to", () => closed.events);
		closed.tell({ event: "window", open: false });
		const asked = ways[3].requests.length;
		await until("others to be asked", () =>
			ways[3].requests.length > asked + 3, SOME);
		assert.equal(provider.requests.length, 0);
		assert.ok(closed.requests.length <= 1);
		await provider.close();
		await closed.close();
	});

	test("leave the last place to buyers, and ask a single one idle", async () => {
		const model = "lovelace:single";
		const file = await assay.pretend(model, { tasks: ["chat"] });
		const single = await assay.servingNodeProvider("two",
			[[model, file, ["chat"]]], { controls: { max_concurrency: 1 } });
		const mine = ({ json }) => json.messages[0].content === "mine";
		const completion = single.answer;
		single.answer = ({ stream, json }) => {
			if (mine({ json }))
				return; // for now
			stream.respond({ ":status": 500 });
			stream.end();
		};
		await until("it to be asked while idle", () =>
			single.requests.length > 0, SOME);
		// A canary may have the place at this moment.
		let answer = null;
		await until("the buyer's request to arrive", async () => {
			answer ??= assay.call("/v1/chat/completions", { key, json: {
				model, messages: [{ role: "user", content: "mine" }] } })
				.then((said) => {
					answer = said.status === 200 ? answer : null;
					return said;
				});
			return single.requests.some(mine);
		}, SOME);
		const busy = single.requests.length;
		const others = ways[1].requests.length;
		await until("others to be asked meanwhile", () =>
			ways[1].requests.length >= others + 8, SOME);
		assert.equal(single.requests.length, busy);
		single.answer = completion;
		completion(single.requests.find(mine));
		assert.equal((await answer).status, 200);
		await until("it to be asked again", () =>
			single.requests.length > busy, SOME);
		await single.close();
	});

	test("catch a model that is swapped behind the daemon", async () => {
		const [{ did }, { did: fair }] = daemons;
		assert.equal(await tierOf(did), "gold");
		ways[0].target = other;
		await until("three that disagree", async () =>
			(await found(did)).disagrees >= 3, SOME);
		await until("the tier to go", async () =>
			await tierOf(did) === "bronze", SOME);
		assert.equal(await tierOf(fair), "gold");
		assert.deepEqual(await assay.postgres.query("select distinct did,"
			+ " reason from assay.tier_change where tier = 'bronze'"),
		[[did, "audit_failed"]]);
		assert.equal((await found(fair)).disagrees, 0);
		const [[evidence]] = await assay.postgres.query("select detail from"
			+ ` assay.audit_result where did = '${did}' and not agrees`
			+ " order by at limit 1");
		const detail = JSON.parse(evidence);
		assert.ok(detail.mean < 0.7);
		assert.ok(detail.said.content.length > 0);
		assert.ok(detail.expected.content.length > 0);
		// What it says now is its voice; what it said before, its measure.
		assert.notEqual(await assay.postgres.value("select count(*) from"
			+ ` assay.canary_answer where did = '${did}'`
			+ " and voice <> own"), "0");
	});

	test("a provider without log-probabilities is unknown", async () => {
		const file = pretendModel(assay.path("mute"));
		await assay.catalog("lovelace:mute", file, { tasks: ["chat"] });
		const provider = await assay.servingNodeProvider("three",
			[["lovelace:mute", file, ["chat"]]]);
		await until("it to be asked twice", () =>
			provider.requests.length >= 2, SOME);
		await until("it to be noted", () => assay.gateway.lines.some((line) =>
			line.includes("result=no_logprobs")
			&& line.includes("lovelace:mute")), SOME);
		assert.deepEqual(await found(provider.did),
			{ agrees: 0, disagrees: 0 });
		await provider.close();
	});
});
