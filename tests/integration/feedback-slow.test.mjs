// SPDX-License-Identifier: Apache-2.0
// Promise: feedback that Postgres was too slow to take is answered 503 and not
// stored, then or later: whoever asks again is answered as if for the first time.
// Where only the commit was slow it may be stored; whoever asks again with the
// same idempotency-key then gets its answer. A queue is no slowness. And while
// nothing can be stored, buyers are served as ever.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { after, before, test } from "node:test";
import { Assay, until } from "./harness.mjs";

const MODEL = "lovelace:slow-feedback";
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

async function served() {
	const answer = await assay.chat(key, MODEL);
	assert.equal(answer.status, 200, answer.text);
	const id = answer.headers["x-request-id"];
	await until("the request's row", () => assay.postgres.value(
		`select 1 from assay.request where id = '${id}'`));
	return id;
}

// A transaction that holds what it has taken until it is ended.
async function hold(sql) {
	const child = spawn("psql", ["-X", "-q", "-At", "-h", "127.0.0.1", "-p",
		`${assay.postgres.port}`, "-U", "postgres", "-d", "assay"],
	{ stdio: ["pipe", "pipe", "inherit"] });
	assay.closers.push(() => child.stdin.end());
	child.stdin.write(`begin; ${sql}; select 'held';\n`);
	await new Promise((got) => child.stdout.once("data", got));
	return { end: () => new Promise((resolve) => {
		child.once("close", resolve);
		child.stdin.end("commit;\n");
	}) };
}

// Nobody writes feedback.
const lock = () => hold("lock table assay.feedback in exclusive mode");
const give = (request_id, headers) => assay.call("/v1/feedback", { key, headers,
	json: { request_id, verdict: "good" } });
const edit = (id) => assay.call(`/v1/feedback/${id}`, { key, method: "PUT",
	json: { verdict: "bad" } });
const stored = () => assay.postgres.query(
	"select request_id::text, verdict from assay.feedback order by 1");

function assertAway(answer) {
	assert.equal(answer.status, 503, answer.text);
	assert.equal(answer.code, "upstream_dependency_unavailable");
	assert.ok(Number(answer.headers["retry-after"]) > 0);
}

test("what Postgres did not take in time is not stored", async () => {
	const ids = [await served(), await served(), await served()];
	const table = await lock();
	for (const answer of await Promise.all([give(ids[0]), give(ids[1]),
		give(ids[2], { "idempotency-key": "slow" })]))
		assertAway(answer);
	await table.end();
	assert.deepEqual(await stored(), []);
	for (const id of ids)
		assert.equal((await give(id)).status, 201);
	assert.deepEqual(await stored(), ids.sort().map((id) => [id, "good"]));
	await assay.postgres.query("delete from assay.feedback");
});

test("nor is a change", async () => {
	const id = await served();
	const given = await give(id);
	assert.equal(given.status, 201, given.text);
	const table = await lock();
	assertAway(await edit(given.json.id));
	await table.end();
	assert.deepEqual(await stored(), [[id, "good"]]);
	assert.equal((await edit(given.json.id)).status, 200);
	assert.deepEqual(await stored(), [[id, "bad"]]);
});

test("meanwhile buyers are served, known or not", async () => {
	const ids = [await served(), await served()];
	const table = await lock();
	const waiting = Promise.all(ids.map((id) => give(id)));
	const fresh = await assay.key("buyers");
	assert.equal((await assay.chat(fresh, MODEL)).status, 200);
	await served();
	(await waiting).forEach(assertAway);
	await table.end();
});

// So many requests more of the same buyer, like one that was served.
async function alike(id, count) {
	const rows = await assay.postgres.query(`insert into assay.request
		select (jsonb_populate_record(r, jsonb_build_object('id',
			overlay(r.id::text placing lpad(to_hex(n), 12, '0')
			from 25)))).*
		from assay.request r, generate_series(1, ${count}) n
		where r.id = '${id}' returning id`);
	return rows.map(([row]) => row);
}

test("many at once are all taken, however long the last waits", async () => {
	const ids = await alike(await served(), 120);
	await assay.postgres.query(`create function assay.late() returns trigger
		language plpgsql as 'begin perform pg_sleep(0.03); return new; end';
		create trigger late before insert on assay.feedback
		for each row execute function assay.late()`);
	const began = Date.now();
	const answers = await Promise.all(ids.map((id) => give(id)));
	assert.ok(Date.now() - began > 3000);
	assert.deepEqual(answers.filter(({ status }) => status !== 201), []);
	await assay.postgres.query("drop function assay.late cascade");
});

test("what a slow commit stored after all is answered to its key", async () => {
	const id = await served();
	await assay.postgres.query(`create function assay.late() returns trigger
		language plpgsql as 'begin perform pg_advisory_xact_lock(7);
		return new; end';
		create constraint trigger late after insert on assay.feedback
		initially deferred for each row execute function assay.late()`);
	const commits = await hold("select pg_advisory_xact_lock(7)");
	const headers = { "idempotency-key": "commit" };
	assertAway(await give(id, headers));
	await commits.end();
	const given = await until("the row", () => assay.postgres.value(
		`select id from assay.feedback where request_id = '${id}'`));
	await assay.postgres.query("drop function assay.late cascade");
	await until("the gateway's connection", async () => {
		const answer = await give(id, headers);
		assert.ok([201, 503].includes(answer.status), answer.text);
		return answer.status === 201 && answer.json.id === given;
	});
	const again = await give(id);
	assert.equal(again.status, 409, again.text);
	assert.equal(again.code, "feedback_exists");
});
