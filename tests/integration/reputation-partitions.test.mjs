// SPDX-License-Identifier: Apache-2.0
// Promise: whoever reads for long (a dump, an operator's open transaction) does
// not stop the day's upkeep of partitions from letting everybody else through.
// Feedback and requests go on, scores are computed, and what could not be made
// or dropped is told and done once the reader has gone.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import path from "node:path";
import { after, before, test } from "node:test";
import { Assay, BUILD, Program, call, freePort, until } from "./harness.mjs";

const MODEL = "lovelace:upkeep";
let assay, key;

before(async () => {
	assay = await Assay.start();
	await assay.workspace("providers");
	await assay.workspace("buyers");
	const file = await assay.pretend(MODEL, { tasks: ["chat"] });
	await assay.servingNodeProvider("providers", [[MODEL, file, ["chat"]]]);
	key = await assay.key("buyers");
});
after(() => assay?.close());

const value = (sql) => assay.postgres.value(sql);

// A transaction that has read all of these, and stays open.
async function reader(...tables) {
	const child = spawn("psql", ["-X", "-q", "-At", "-h", "127.0.0.1", "-p",
		`${assay.postgres.port}`, "-U", "postgres", "-d", "assay"],
	{ stdio: ["pipe", "pipe", "inherit"] });
	assay.closers.push(() => child.stdin.end());
	child.stdin.write("begin;\n" + tables.map((table) =>
		`select count(*) from assay.${table};\n`).join(""));
	for (let lines = 0; lines < tables.length;)
		lines += await new Promise((got) => child.stdout.once("data",
			(data) => got(`${data}`.split("\n").length - 1)));
	return { end: () => child.stdin.end() };
}

async function worker(ahead) {
	const admin = `127.0.0.1:${await freePort()}`;
	const program = new Program(`assay-reputation-${ahead}`,
		path.join(BUILD, "assay-reputation"), [`--admin.listen=${admin}`,
			`--database.url=${assay.postgres.url("assay_reputation")}`,
			"--tick.every=100ms", `--partitions.ahead=${ahead}`],
		{ log: assay.path("reputation.log") });
	assay.closers.push(async () => {
		if (program.isRunning)
			await program.stop();
	});
	await program.line("event=leads");
	program.metric = async (name) => {
		const { text } = await call(`http://${admin}/metrics`);
		return Number(new RegExp(`^assay_reputation_${name} (\\d+)$`, "m")
			.exec(text)[1]);
	};
	return program;
}

const partition = (table, days) => value(`select to_regclass('assay.${table}_'`
	+ ` || to_char(assay.utc_day(now()) + ${days}, 'YYYYMMDD'))`);

async function served() {
	const answer = await assay.chat(key, MODEL);
	assert.equal(answer.status, 200, answer.text);
	const id = answer.headers["x-request-id"];
	await until("the request's row", () => value(
		`select 1 from assay.request where id = '${id}'`));
	return id;
}

test("upkeep waits for no reader, and nobody for upkeep", async () => {
	await assay.postgres.query("select assay.partition_ensure("
		+ "assay.utc_day(now()) - 402)");
	const request_id = await served();
	const open = await reader("feedback", "request", "request_attempt");
	const first = await worker(9);
	await until("upkeep to be tried", async () =>
		await first.metric("ticks") > 2);
	assert.ok(await first.metric("partitions_waiting") >= 6);
	assert.equal(await first.metric("failures"), 0);
	await served();
	const given = await assay.call("/v1/feedback",
		{ key, json: { request_id, verdict: "good" } });
	assert.equal(given.status, 201, given.text);
	await until("all to be counted", async () => await value("select"
		+ " outcomes_waiting + verdicts_waiting + scores_due"
		+ " from operator.reputation_lag") === "0");
	// Of tables that nobody reads, all is there.
	assert.ok(await partition("outcome_minute", 9));
	assert.ok(!await partition("score_day", -402));
	assert.ok(!await partition("request", 9));
	assert.ok(await partition("feedback", -402));
	await first.stop();
	open.end();
	await until("the reader to be gone", async () => await value("select"
		+ " count(*) from pg_stat_activity where state = 'idle in transaction'")
		=== "0");
	const second = await worker(9);
	await until("upkeep", async () => await second.metric("ticks") > 2);
	assert.equal(await second.metric("partitions_waiting"), 0);
	for (const table of ["feedback", "request", "request_attempt"])
		assert.ok(await partition(table, 9), table);
	assert.ok(!await partition("feedback", -402));
	await second.stop();
});
