// SPDX-License-Identifier: Apache-2.0
// Promise: whatever happens to a leader, every event counts once. The other one
// leads within five seconds; a recomputation runs beside gateways that go on
// serving, and what they note meanwhile counts too; and a change of tier is in
// every gateway within two seconds, however writers' transactions overlap.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import path from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { Assay, BUILD, Program, call, freePort, run, until }
	from "./harness.mjs";

const MODEL = "lovelace:counted";
let assay, provider, key, workers = 0;
const sessions = [];

before(async () => {
	assay = await Assay.start();
	await assay.workspace("providers");
	await assay.workspace("buyers");
	const file = await assay.pretend(MODEL, { tasks: ["chat"] });
	provider = await assay.servingNodeProvider("providers",
		[[MODEL, file, ["chat"]]]);
	key = await assay.key("buyers");
});
after(() => assay?.close());
// What a failed test held would keep the next one waiting.
afterEach(() => {
	for (const child of sessions.splice(0))
		child.stdin.end();
});

async function worker(more = {}) {
	const program = new Program(`assay-reputation-${++workers}`,
		path.join(BUILD, "assay-reputation"), Object.entries({
			"admin.listen": `127.0.0.1:${await freePort()}`,
			"database.url": assay.postgres.url("assay_reputation"),
			"tick.every": "100ms", ...more,
		}).map(([name, value]) => `--${name}=${value}`),
		{ log: assay.path("reputation.log") });
	assay.closers.push(async () => {
		if (program.isRunning)
			await program.stop();
	});
	await program.line("event=ready");
	return program;
}

// As soon as nobody else has the lock.
const recompute = (from) => until(`recomputing from ${from}`, async () => {
	await run(path.join(BUILD, "assay-reputation"), ["--recompute=true",
		`--recompute.from=${from}`,
		`--database.url=${assay.postgres.url("assay_reputation")}`],
	{ status: 0 });
	return true;
});

const value = (sql) => assay.postgres.value(sql);
const scores = () => value("select string_agg(did || task || tier"
	+ " || coalesce(score::text, '-') || sample_size || parts::text, ','"
	+ " order by did, task) from assay.score");
const settled = () => until("all to be counted", async () =>
	await value("select outcomes_waiting + verdicts_waiting + scores_due"
		+ " from operator.reputation_lag") === "0");
// How many outcomes the evidence is made of, and how many there were.
const counted = () => value("select round(sum(delivered + failed) /"
	+ " max(assay.evidence_weight(assay.utc_day(now()))))"
	+ " from assay.outcome_evidence");
const happened = () => value("select sum(delivered + failed)"
	+ " from assay.outcome_minute");

// Attempts of 50 requests by 50 buyers, as a gateway's batch writes them.
const batch = (did) => assay.postgres.query("with r as (insert into"
	+ " assay.request (id, created_at, account_id, workspace_id, endpoint,"
	+ " task, canonical, did, pool, tier, quantization, outcome, status,"
	+ " gateway_instance) select gen_random_uuid(), now(), gen_random_uuid(),"
	+ " w.id, '/v1/chat/completions', 'chat',"
	+ ` '${MODEL}', '${did}', 'marketplace', 'bronze', 'F16', 'served', 200,`
	+ " 'test' from assay.workspace w, generate_series(1, 50)"
	+ " where w.name = 'buyers' returning *), a as (insert into"
	+ " assay.request_attempt (request_id, created_at, ordinal, did, pool,"
	+ " tier, outcome) select id, created_at, 1, did, pool, tier, outcome"
	+ " from r) select 1");

// A session that is held open between statements.
async function session() {
	const child = spawn("psql", ["-X", "-q", "-At", "-v", "ON_ERROR_STOP=1",
		"-h", "127.0.0.1", "-p", `${assay.postgres.port}`, "-U", "postgres",
		"-d", "assay"], { stdio: ["pipe", "pipe", "inherit"] });
	sessions.push(child);
	const lines = createInterface({ input: child.stdout })[
		Symbol.asyncIterator]();
	return {
		run: async (sql) => {
			child.stdin.write(`${sql};\nselect 'done';\n`);
			assert.equal((await lines.next()).value, "done");
		},
		end: () => child.stdin.end(),
	};
}

describe("a leader that is killed", () => {
	test("loses no event, and the other leads within 5 s", async () => {
		let leader = await worker();
		await leader.line("event=leads");
		for (let round = 0; round < 4; round++) {
			const other = await worker();
			const writing = Array.from({ length: 6 },
				() => batch(provider.did));
			await writing[round]; // somewhere in the middle of it
			const killed = Date.now();
			await leader.kill();
			await other.line("event=leads", { patienceMs: 5000 });
			assert.ok(Date.now() - killed < 5000);
			await Promise.all(writing);
			leader = other;
		}
		await settled();
		assert.equal(await happened(), `${4 * 6 * 50}`);
		assert.equal(await counted(), await happened());
		const was = await scores();
		await leader.stop();
		for (const from of ["minutes", "log"]) {
			// The buyers of these requests have no account; log and minutes
			// count them alike.
			await recompute(from);
			assert.equal(await scores(), was, from);
		}
	});
});

describe("a leader that is killed while a statement waits", () => {
	test("is noticed, and the other leads within 5 s", async () => {
		const leader = await worker();
		await leader.line("event=leads");
		const other = await worker();
		const holder = await session();
		await holder.run("begin; lock table assay.outcome_evidence in"
			+ " access exclusive mode");
		await batch(provider.did);
		await until("its statement to wait", () => value("select 1 from"
			+ " pg_locks where not granted"));
		const killed = Date.now();
		await leader.kill();
		await other.line("event=leads", { patienceMs: 5000 });
		assert.ok(Date.now() - killed < 5000);
		await holder.run("commit");
		holder.end();
		await settled();
		assert.equal(await counted(), await happened());
		await other.stop();
	});
});

describe("a recomputation", () => {
	for (const from of ["log", "minutes"]) {
		test(`from ${from} runs beside gateways that serve`, async () => {
			const before = Number(await happened());
			const holder = await session();
			// It has its snapshot, and waits for this to empty the table.
			await holder.run("begin; lock table assay.verdict_evidence in"
				+ " access share mode");
			const running = recompute(from);
			await until("it to wait", () => value("select 1 from pg_locks"
				+ " where not granted and mode = 'AccessExclusiveLock'"));
			const ids = [];
			for (let i = 0; i < 5; i++) {
				const answer = await assay.chat(key, MODEL);
				assert.equal(answer.status, 200, answer.text);
				ids.push(answer.headers["x-request-id"]);
			}
			await until("what they did to be written meanwhile", async () =>
				Number(await happened()) === before + 5);
			const given = await assay.call("/v1/feedback", { key,
				json: { request_id: ids[0], verdict: "good" } });
			assert.equal(given.status, 201, given.text);
			assert.equal(await value("select count(*) from pg_locks"
				+ " where not granted"), "1", "only it waits");
			await holder.run("commit");
			holder.end();
			await running;
			// What was noted meanwhile is not in it, and not lost.
			assert.equal(await counted(), `${before}`);
			const leader = await worker();
			await settled();
			await leader.stop();
			assert.equal(await counted(), `${before + 5}`);
			const was = await scores();
			await recompute(from);
			assert.equal(await scores(), was);
		});
	}
});

describe("two gateways", () => {
	async function secondGateway() {
		const admin = await freePort(), http = await freePort();
		const program = new Program("assay-gateway-2",
			path.join(BUILD, "assay-gateway"), Object.entries({
				"admin.listen": `127.0.0.1:${admin}`,
				"auth.ca": assay.operatorCa.certificate,
				"auth.certificate": assay.gatewayLeaf.certificate,
				"auth.key": assay.gatewayLeaf.key,
				"auth.mint": `127.0.0.1:${assay.authPorts.mint}`,
				"database.url": assay.postgres.url("assay_gateway"),
				"listen.http": `127.0.0.1:${http}`,
				"state.folder": assay.path("gateway-2"),
				"tunnel.certificate": assay.serverLeaf.certificate,
				"tunnel.device_ca": assay.deviceCa,
				"tunnel.key": assay.serverLeaf.key,
				"tunnel.listen": `127.0.0.1:${await freePort()}`,
			}).map(([name, text]) => `--${name}=${text}`),
			{ log: assay.path("gateway-2.log") });
		assay.closers.push(() => program.stop());
		await until("the second gateway", async () =>
			(await call(`http://127.0.0.1:${admin}/readyz`)).status === 200);
		return `http://127.0.0.1:${http}`;
	}

	const dids = Array.from({ length: 12 }, (_, i) => `did:assay:zTwo${i}`);
	const tiers = async (url) => {
		const found = {};
		for (const did of dids) {
			const { json } = await call(`${url}/v1/providers/${did}`, { key });
			found[did] = json.pairs?.[0]?.tier;
		}
		return JSON.stringify(found);
	};

	test("see each change within 2 s, and miss none", async () => {
		const urls = [assay.url, await secondGateway()];
		await assay.postgres.query("insert into assay.device (did,"
			+ " workspace_id, public_jwk) select d, w.id, '{}' from"
			+ ` unnest('{${dids}}'::text[]) d, assay.workspace w where w.name`
			+ " = 'providers'; insert into assay.score (did, task, canonical,"
			+ ` tier, parts) select d, 'chat', '${MODEL}', 'bronze', '{}'`
			+ ` from unnest('{${dids}}'::text[]) d`);
		const set = (who, tier) => `update assay.score set tier = '${tier}'`
			+ ` where did = '${who}'`;
		const expected = async () => {
			const rows = await assay.postgres.query("select did, tier from"
				+ " assay.score where did like 'did:assay:zTwo%'");
			const found = Object.fromEntries(rows);
			return JSON.stringify(Object.fromEntries(
				dids.map((did) => [did, found[did]])));
		};
		// Four writers at once, whose transactions begin in one order and
		// end in another; some of them for nothing.
		for (const tier of ["silver", "gold", "bronze"]) {
			const writers = await Promise.all([0, 1, 2, 3].map(session));
			await Promise.all(writers.map(async (one, i) => {
				for (let k = 0; k < 3; k++) {
					await one.run("begin");
					await one.run(set(dids[i * 3 + k], tier));
					await one.run((i + k) % 5 === 4 ? "rollback" : "commit");
				}
				one.end();
			}));
			const ended = Date.now();
			const now = await expected();
			await Promise.all(urls.map((url) => until(`${tier} at ${url}`,
				async () => await tiers(url) === now, 2000)));
			assert.ok(Date.now() - ended < 4000);
		}
	});
});

describe("a leader with many days to close", () => {
	const days = async () => (await assay.postgres.query("select day from"
		+ " assay.day_close order by day")).map(([day]) => day);
	const ahead = (count) => new Date(Date.now() + count * 86_400_000)
		.toISOString();

	test("hears a signal between two of them, and goes on later", async () => {
		await batch(provider.did);
		const before = await days();
		const first = await worker({ now: ahead(120), "close.grace": "1ms" });
		await first.line("event=day_closed");
		await first.stop();
		const closed = await days();
		assert.ok(closed.length > before.length);
		assert.ok(closed.length < 120, `${closed.length} days`);
		const second = await worker({ now: ahead(closed.length + 3),
			"close.grace": "1ms" });
		await until("the rest", async () =>
			(await days()).length >= closed.length + 3);
		await second.stop();
		const all = (await days()).map((day) => Date.parse(day) / 86_400_000);
		for (let i = 1; i < all.length; i++)
			assert.equal(all[i], all[i - 1] + 1, "no day left out");
	});
});
