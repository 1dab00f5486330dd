#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// Reputation at scale: a Postgres of its own is filled, by SQL, with 90 days of
// outcomes (as minute rows), of feedback and of the evidence they make; then the
// real worker ticks over new events, closes a day and recomputes everything, at
// a hundredth, a tenth and the whole of what was asked for. Ends non-zero where
// a bar is missed, and leaves nothing behind.
import { spawn } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const HERE = path.dirname(fileURLToPath(import.meta.url));
const ROOT = path.resolve(HERE, "../..");
const BUILD = path.resolve(ROOT, process.env.ASSAY_BUILD ?? "build/release");
const BIN = "/usr/lib/postgresql/15/bin";
const DAYS = 90;
const EVENTS = 10_000;
const ROUNDS = 15;
const MODELS = 10;
const MB = 2 ** 20;

// What one row takes on disk with its indexes and what is made of it.
const BYTES = { outcome: 90, feedback: 750, pair: 20_000, spare: 3 * 2 ** 30 };
const BARS = { tick_s: 1, recompute_s: 600, worker_mb: 256, growth: 3 };

const USAGE = `usage: ./dev bench reputation [options]
  --outcomes N   outcomes in 90 days, a minute row each (100m)
  --feedback N   feedback rows (a tenth of the outcomes)
  --pairs N      (provider, task, model) that there are (100k)
  --folder DIR   where the database lies meanwhile (a temporary folder)
  --steps LIST   parts of it to measure at (0.01,0.1,1)
  --log N        requests of which to recompute from the log besides (1m)
  --json         the figures as JSON, on standard output
Numbers may end in k or m.`;

function fail(why) {
	process.stderr.write(`bench reputation: ${why}\n`);
	process.exit(2);
}

function number(text) {
	const found = /^(\d+(?:\.\d+)?)([km]?)$/.exec(text ?? "");
	if (!found)
		fail(`not a number: ${text}\n${USAGE}`);
	return Math.round(Number(found[1])
		* { "": 1, k: 1e3, m: 1e6 }[found[2]]);
}

function options(args) {
	const out = { outcomes: 100e6, pairs: 100e3, log: 1e6,
		steps: [0.01, 0.1, 1] };
	while (args.length > 0) {
		const name = args.shift();
		if (name === "--json") {
			out.json = true;
		} else if (name === "--help") {
			console.log(USAGE);
			process.exit(0);
		} else if (name === "--folder") {
			out.folder = args.shift();
		} else if (name === "--steps") {
			out.steps = (args.shift() ?? "").split(",").map(Number);
		} else if (["--outcomes", "--feedback", "--pairs", "--log"]
			.includes(name)) {
			out[name.slice(2)] = number(args.shift());
		} else {
			fail(`unknown option ${name}\n${USAGE}`);
		}
	}
	out.feedback ??= Math.round(out.outcomes / 10);
	if (out.pairs < 100 || out.outcomes < DAYS || out.feedback < DAYS
		|| out.steps.some((part) => !(part > 0 && part <= 1)))
		fail(`at least 100 pairs, ${DAYS} outcomes and feedback, and`
			+ " steps above 0 and up to 1");
	return out;
}

// ------------------------------------------------------------------ programs

const started = new Set();
process.on("exit", () => {
	for (const child of started)
		child.kill("SIGKILL");
});

function start(command, args, more = {}) {
	const child = spawn(command, args,
		{ stdio: ["pipe", "pipe", "pipe"], ...more });
	started.add(child);
	child.out = "";
	child.err = "";
	child.stdout.on("data", (part) => { child.out += part; });
	child.stderr.on("data", (part) => { child.err += part; });
	child.ended = new Promise((resolve) => child.once("close", (code) => {
		started.delete(child);
		resolve(code);
	}));
	child.once("error", (error) => { child.err += error.message; });
	return child;
}

async function run(command, args, input, more) {
	const child = start(command, args, more);
	child.stdin.on("error", () => {});
	child.stdin.end(input ?? "");
	const code = await child.ended;
	if (code !== 0)
		throw new Error(`${path.basename(command)} ended with ${code}: `
			+ `${child.err.trim().slice(-2000)}`);
	return child.out;
}

async function until(what, seconds, ask) {
	const end = Date.now() + seconds * 1000;
	for (;;) {
		const answer = await ask();
		if (answer)
			return answer;
		if (Date.now() > end)
			throw new Error(`waited ${seconds} s for ${what}`);
		await pause(20);
	}
}

// ------------------------------------------------------------------ Postgres

function somebodyElse() {
	if (process.getuid() !== 0)
		return {};
	const users = fs.readFileSync("/etc/passwd", "utf8").split("\n")
		.map((line) => line.split(":"));
	const user = users.find(([name]) => name === "postgres")
		?? users.find(([name]) => name === "nobody");
	return { uid: Number(user[2]), gid: Number(user[3]) };
}

class Postgres {
	constructor(folder, port) {
		this.folder = folder;
		this.port = port;
	}

	async open() {
		const who = somebodyElse();
		const shared = Math.min(2048, Math.round(os.totalmem() / MB / 8));
		if (who.uid !== undefined)
			fs.chownSync(this.folder, who.uid, who.gid);
		await run(path.join(BIN, "initdb"), ["-D", this.folder, "-U",
			"postgres", "--auth=trust", "--encoding=UTF8",
			"--locale=C.UTF-8"], "", { ...who, cwd: "/" });
		// Durable as in earnest; without archiving, so that what is loaded
		// into a new table is written once.
		this.program = start(path.join(BIN, "postgres"), ["-D", this.folder,
			"-h", "127.0.0.1", "-p", `${this.port}`,
			"-c", "unix_socket_directories=",
			"-c", `shared_buffers=${shared}MB`,
			"-c", "maintenance_work_mem=256MB", "-c", "wal_level=minimal",
			"-c", "max_wal_senders=0", "-c", "max_wal_size=4GB",
			"-c", "checkpoint_timeout=15min"],
		{ ...who, cwd: "/" });
		await until("Postgres", 60, () => this.sql("select 1", "postgres")
			.then(() => true, () => false));
		await this.sql("create database assay", "postgres");
	}

	url(role = "postgres") {
		return `postgresql://${role}@127.0.0.1:${this.port}/assay`;
	}

	sql(text, database = "assay") {
		return run("psql", ["-X", "-q", "-At", "-v", "ON_ERROR_STOP=1",
			"-h", "127.0.0.1", "-p", `${this.port}`, "-U", "postgres",
			"-d", database], text);
	}

	async value(text) { return (await this.sql(text)).trim(); }

	async close() {
		if (this.program && started.has(this.program)) {
			this.program.kill("SIGINT");
			await this.program.ended;
		}
	}
}

// ---------------------------------------------------------------- the worker

class Worker {
	constructor(settings) {
		this.peak_kb = 0;
		this.child = start(path.join(BUILD, "assay-reputation"),
			Object.entries(settings)
				.map(([name, value]) => `--${name}=${value}`));
		this.began = process.hrtime.bigint();
		this.timer = setInterval(() => this.#look(), 50);
	}

	#look() {
		try {
			const status = fs.readFileSync(
				`/proc/${this.child.pid}/status`, "utf8");
			this.peak_kb = Math.max(this.peak_kb,
				Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0));
		} catch {
			// It has ended.
		}
	}

	get seconds() { return Number(process.hrtime.bigint() - this.began) / 1e9; }

	// The fields of each line of this event so far.
	lines(event) {
		return (this.child.out + this.child.err).split("\n")
			.filter((line) => line.includes(`event=${event} `)
				|| line.endsWith(`event=${event}`))
			.map((line) => Object.fromEntries(line.split(" ")
				.map((part) => part.split("="))));
	}

	async line(event, seconds, after = 0) {
		return until(`assay-reputation to say ${event}`, seconds, () => {
			if (!started.has(this.child))
				throw new Error("assay-reputation ended: "
					+ (this.child.out + this.child.err).slice(-2000));
			return this.lines(event)[after];
		});
	}

	async end() {
		const code = await this.child.ended;
		clearInterval(this.timer);
		if (code !== 0)
			throw new Error("assay-reputation failed: "
				+ (this.child.out + this.child.err).slice(-2000));
	}

	async stop() {
		this.#look();
		this.child.kill("SIGTERM");
		await this.end();
	}
}

// ------------------------------------------------------------------ the data

// A market: providers with ten models each, and a buyer for each pair or so.
// Pairs differ in how busy they are (the busiest hundredth has a tenth of the
// traffic), and each pair has about thirty regular buyers.
const world = ({ pairs }) => `
create schema bench;
insert into assay.workspace (id, name) select md5('w' || i)::uuid, 'w' || i
  from generate_series(0, 1) i;
set session_replication_role = replica;
insert into assay.account (id, name) select md5('a' || i)::uuid, 'a' || i
  from generate_series(0, ${Math.max(100, pairs - 1)}) i;
insert into assay.model (canonical) select 'family:model-' || i
  from generate_series(0, ${MODELS - 1}) i;
insert into assay.model_task select 'family:model-' || i, 'chat'
  from generate_series(0, ${MODELS - 1}) i;
insert into assay.pair (did, task, canonical) select 'did:assay:zDn'
    || left(encode(sha256((n / ${MODELS})::text::bytea), 'hex'), 46) as did,
    'chat'::text as task, 'family:model-' || n % ${MODELS} as canonical
  from generate_series(0, ${pairs - 1}) n;
insert into assay.device (did, workspace_id, public_jwk)
  select distinct did, md5('w0')::uuid, '{}'::jsonb from assay.pair;
reset session_replication_role;
create table bench.account as select n, md5('a' || n)::uuid as id,
    assay.buyer_bucket(md5('a' || n)::uuid) as bucket
  from generate_series(0, ${Math.max(100, pairs - 1)}) n;
alter table bench.account add primary key (n);
insert into assay.model_speed select assay.utc_day(now()) - d, 'chat',
  'family:model-' || m, 'F16', 3, 200000, 50
  from generate_series(1, 4) d, generate_series(0, ${MODELS - 1}) m;
select assay.partition_ensure(assay.utc_day(now()) - d)
  from generate_series(0, ${DAYS}) d;
analyze;`;

const picked = ({ pairs }, rows) => `select
    1 + floor(${pairs} * power(random(), 2))::int as pair,
    floor(30 * power(random(), 2))::int as regular,
    random() as luck, random() as other, i
  from generate_series(1, ${rows}) i`;
const account = ({ pairs }) =>
	`mod(x.pair::bigint * 7919 + x.regular * 104729, ${Math.max(101, pairs)})`;

// A day's rows go into a table of its own, emptied in the same transaction, so
// that Postgres writes them once; indexes follow, then it becomes a partition.
const TABLES = {
	outcome_minute: { column: "minute", indexes: ["create index on $ (pair)"] },
	feedback: { column: "request_at", indexes: [
		"alter table $ add primary key (request_id, request_at)",
		"create index on $ (id)",
		"create index on $ (did, created_at desc)"] },
};
const child = (table, date) => `assay.${table}_${date.replaceAll("-", "")}`;

const detached = (table, days) => days.map(({ date, next }) => `
drop table ${child(table, date)};
create table ${child(table, date)} (like assay.${table}
  including defaults including constraints, check (${TABLES[table].column} >= '${date}T00:00Z'
    and ${TABLES[table].column} < '${next}T00:00Z'));`).join("");

const attached = (table, days) => days.map(({ date, next }) => `
alter table assay.${table} attach partition ${child(table, date)}
  for values from ('${date}T00:00Z') to ('${next}T00:00Z');`).join("");

const filled = (table, { date, n }, rows) => `
begin;
set local synchronous_commit = off;
select setseed(${n / 1000});
truncate ${child(table, date)};
insert into ${child(table, date)} ${rows};
${TABLES[table].indexes.map((sql) =>
		`${sql.replace("$", child(table, date))};`).join("\n")}
commit;`;

const outcomes = (o, day, rows) => filled("outcome_minute", day, `
  select timestamptz '${day.date}T00:00Z'
           + floor(x.other * 1440) * interval '1 minute', x.pair,
         (x.luck < .98)::int, (x.luck >= .98)::int,
         (x.luck < .9)::int, (x.luck >= .9 and x.luck < .98)::int, 0,
         a.bucket
    from (${picked(o, rows)}) x
    join bench.account a on a.n = ${account(o)}`);

const feedback = (o, day, rows) => filled("feedback", day, `
    (request_id, request_at, id, created_at, account_id, workspace_id, did,
     task, canonical, quality, issues, value, counts)
  select gen_random_uuid(), at, gen_random_uuid(), at, a.id,
         md5('w1')::uuid, p.did, p.task, p.canonical, q, '{}', q, true
    from (select *, timestamptz '${day.date}T00:00Z'
            + x.other * interval '23 hours' as at,
            floor(100 * sqrt(x.luck))::smallint as q
          from (${picked(o, rows)}) x) x
    join assay.pair p on p.id = x.pair
    join bench.account a on a.n = ${account(o)}`);

// Requests as the gateway writes them, with their attempts, and feedback on a
// tenth of them: the triggers note what is new.
const events = (o, rows, seed) => `
select setseed(${seed});
create temp table fresh as select gen_random_uuid() as id,
    now() - x.other * interval '1 minute' as at, p.did, p.task, p.canonical,
    a.id as account, x.luck from (${picked(o, rows)}) x
  join assay.pair p on p.id = x.pair
  join bench.account a on a.n = ${account(o)};
begin;
insert into assay.request (id, created_at, account_id, workspace_id, endpoint,
    task, canonical, did, pool, tier, quantization, outcome, status,
    completion_tokens, streamed, gateway_instance)
  select id, at, account, md5('w1')::uuid, '/v1/chat/completions', task,
    canonical, did, 'marketplace', 'bronze', 'F16', 'served', 200, 100, true,
    'bench'
  from fresh;
insert into assay.request_attempt (request_id, created_at, ordinal, did, pool,
    tier, outcome, fault_code, first_byte_us, total_us)
  select id, at, 1, did, 'marketplace', 'bronze',
    case when luck < .98 then 'served' else 'failed' end::assay.outcome,
    case when luck < .98 then null else 'provider_error' end,
    150000 + luck * 200000, 2000000 from fresh;
insert into assay.feedback (request_id, request_at, id, created_at, account_id,
    workspace_id, did, task, canonical, quality, value, counts)
  select id, at, gen_random_uuid(), now(), account, md5('w1')::uuid, did, task,
    canonical, 90, 90, true from fresh order by id limit ${Math.ceil(rows / 10)};
commit;`;

// ----------------------------------------------------------------- the bench

class Bench {
	constructor(o) {
		this.o = o;
		this.figures = [];
	}

	say(text) { process.stderr.write(`${text}\n`); }

	checkDisk(folder) {
		const { o } = this;
		const most = Math.max(...o.steps);
		const need = most * (o.outcomes * BYTES.outcome
			+ o.feedback * BYTES.feedback) + o.pairs * BYTES.pair
			+ o.log * 2000 + BYTES.spare;
		const { bavail, bsize } = fs.statfsSync(folder);
		const gb = (bytes) => (bytes / 2 ** 30).toFixed(1);
		if (bavail * bsize < need)
			fail(`${folder} has ${gb(bavail * bsize)} GB free and this`
				+ ` needs ${gb(need)} GB: name another with --folder,`
				+ " or fewer --outcomes");
		this.say(`up to ${gb(need)} GB of disk in ${folder}`);
	}

	async open() {
		const { o } = this;
		this.checkDisk(o.folder ?? os.tmpdir());
		this.folder = fs.mkdtempSync(path.join(o.folder ?? os.tmpdir(),
			"assay-bench-"));
		fs.chmodSync(this.folder, 0o755);
		const data = path.join(this.folder, "postgres");
		fs.mkdirSync(data, { mode: 0o700 });
		const port = 20_000 + Math.floor(Math.random() * 20_000);
		this.postgres = new Postgres(data, port);
		await this.postgres.open();
		await run(path.join(BUILD, "assay"), ["migrate"], "",
			{ env: { ...process.env,
				ASSAY_DATABASE_URL: this.postgres.url() } });
		await this.postgres.sql(world(o));
	}

	async close() {
		await this.postgres?.close();
		if (this.folder)
			fs.rmSync(this.folder, { recursive: true, force: true });
	}

	worker(more = {}) {
		return new Worker({ "admin.listen": "127.0.0.1:0",
			"database.url": this.postgres.url("assay_reputation"),
			"log.level": "debug", "tick.every": "500ms",
			"close.grace": "0s", ...more });
	}

	// History of this size, over the days before today, on two connections.
	async fill(rows, verdicts) {
		const began = Date.now();
		const days = (await this.postgres.value("select d || ' ' ||"
			+ " assay.utc_day(now()) - d || ' ' ||"
			+ " assay.utc_day(now()) - d + 1"
			+ ` from generate_series(1, ${DAYS}) d`)).split("\n")
			.map((line) => line.split(" "))
			.map(([n, date, next]) => ({ n: Number(n), date, next }));
		const left = [...days];
		const one = async () => {
			for (let day = left.shift(); day; day = left.shift()) {
				await this.postgres.sql(outcomes(this.o, day,
					Math.ceil(rows / DAYS)));
				await this.postgres.sql(feedback(this.o, day,
					Math.ceil(verdicts / DAYS)));
			}
		};
		for (const table of Object.keys(TABLES))
			await this.postgres.sql(detached(table, days));
		await Promise.all([one(), one()]);
		for (const table of Object.keys(TABLES))
			await this.postgres.sql(`${attached(table, days)}
				analyze assay.${table};`);
		this.say(`  filled in ${((Date.now() - began) / 1000).toFixed(0)} s`);
	}

	async recompute(from) {
		const worker = this.worker({ recompute: "true",
			"recompute.from": from });
		await worker.end();
		const s = worker.seconds;
		const [line] = worker.lines("recomputed");
		this.say(`  recomputed from ${from}: ${s.toFixed(1)} s,`
			+ ` ${line.pairs} pairs, worker ${(worker.peak_kb / 1024)
				.toFixed(0)} MB at most`);
		return { s, pairs: Number(line.pairs), mb: worker.peak_kb / 1024 };
	}

	// Every day before yesterday counts as closed: a worker that starts closes
	// yesterday, and then ticks.
	async ticks() {
		await this.postgres.sql("truncate assay.day_close; insert into"
			+ " assay.day_close select assay.utc_day(now()) - 2, now(),"
			+ " false; vacuum analyze");
		const worker = this.worker();
		const closed = await worker.line("day_closed", 3600);
		const close_s = worker.seconds;
		this.say(`  closed ${closed.day} in ${close_s.toFixed(1)} s`);
		await worker.line("ticked", 600);
		await this.settle();
		const ticks = [], writes = [], cpus = [];
		let pairs = 0;
		for (let round = 0; round < ROUNDS; round++) {
			const seen = worker.lines("ticked").length;
			const began = Date.now();
			const busy = await this.cpu(worker);
			await this.postgres.sql(events(this.o,
				Math.round(EVENTS * 10 / 11), (round + 1) / 100));
			writes.push((Date.now() - began) / 1000);
			await worker.line("ticked", 60, seen);
			await this.settle();
			cpus.push(await this.cpu(worker) - busy);
			const lines = worker.lines("ticked").slice(seen);
			ticks.push(Math.max(...lines.map((x) => Number(x.us))) / 1e6);
			pairs = Number(lines[0].pairs);
		}
		await worker.stop();
		ticks.sort((a, b) => a - b);
		const median = ticks[Math.floor(ROUNDS / 2)];
		this.say(`  ${EVENTS} events on ${pairs} pairs: written in`
			+ ` ${Math.min(...writes).toFixed(2)} s, a tick of`
			+ ` ${median.toFixed(3)} s (${ticks[0].toFixed(3)} to`
			+ ` ${ticks.at(-1).toFixed(3)}),`
			+ ` ${Math.min(...cpus).toFixed(2)} s of processor; worker`
			+ ` ${(worker.peak_kb / 1024).toFixed(0)} MB at most`);
		return { close_s, tick_s: median, worst_s: ticks.at(-1),
			tick_cpu_s: Math.min(...cpus), pairs,
			mb: worker.peak_kb / 1024 };
	}

	// Seconds of processor time of the worker and of its connection so far:
	// what a tick takes where others do not keep the machine busy.
	async cpu(worker) {
		const pids = (await this.postgres.value("select pid from"
			+ " pg_stat_activity where application_name ="
			+ " 'assay-reputation'")).split("\n");
		return [worker.child.pid, ...pids].reduce((sum, pid) => {
			const fields = fs.readFileSync(`/proc/${pid}/stat`, "utf8")
				.replace(/.*\) /, "").split(" ");
			return sum + (Number(fields[11]) + Number(fields[12])) / 100;
		}, 0);
	}

	settle() {
		return until("the worker to have nothing left", 600, async () =>
			await this.postgres.value("select outcomes_waiting"
				+ " + verdicts_waiting + scores_due"
				+ " from operator.reputation_lag") === "0");
	}

	async disk() {
		return Number(await this.postgres.value(
			"select pg_database_size('assay')"));
	}

	async step(part) {
		const { o } = this;
		const rows = Math.ceil(o.outcomes * part / DAYS) * DAYS;
		const verdicts = Math.ceil(o.feedback * part / DAYS) * DAYS;
		this.say(`${rows} outcomes, ${verdicts} feedback, ${o.pairs} pairs`);
		await this.fill(rows, verdicts);
		const full = await this.recompute("minutes");
		const ticks = await this.ticks();
		const gb = await this.disk() / 2 ** 30;
		this.say(`  ${gb.toFixed(1)} GB on disk`);
		this.figures.push({ outcomes: rows, feedback: verdicts,
			pairs: o.pairs, recompute_s: full.s, recompute_pairs: full.pairs,
			recompute_mb: full.mb, ...ticks, gb });
	}

	// The request log of one day more, recomputed from there.
	async log() {
		if (this.o.log === 0)
			return null;
		this.say(`${this.o.log} requests in the log besides`);
		await this.postgres.sql(events(this.o, this.o.log, 0.5));
		const full = await this.recompute("log");
		return { requests: this.o.log, recompute_s: full.s,
			recompute_mb: full.mb };
	}

	judge(log) {
		const wrong = [];
		const bar = (what, value, most) => {
			if (!(value <= most))
				wrong.push(`${what}: ${value.toFixed(2)}, at most ${most}`);
		};
		for (const f of this.figures) {
			bar(`s a tick at ${f.outcomes}`, f.tick_s, BARS.tick_s);
			bar(`s to recompute ${f.outcomes}`, f.recompute_s,
				BARS.recompute_s);
			bar(`MB of the worker at ${f.outcomes}`,
				Math.max(f.mb, f.recompute_mb), BARS.worker_mb);
		}
		if (log)
			bar(`s to recompute from a log of ${log.requests}`,
				log.recompute_s, BARS.recompute_s);
		bar("times a tick grew with the history", this.figures.at(-1).tick_s
			/ this.figures[0].tick_s, BARS.growth);
		return wrong;
	}

	table() {
		const row = (cells) => cells.map((cell, i) => (i === 0
			? `${cell}`.padStart(10) : `${cell}`.padStart(12))).join("");
		console.log(row(["outcomes", "feedback", "tick s", "worst s",
			"pairs", "close s", "recompute s", "worker MB", "disk GB"]));
		for (const f of this.figures) {
			console.log(row([f.outcomes, f.feedback, f.tick_s.toFixed(3),
				f.worst_s.toFixed(3), f.pairs, f.close_s.toFixed(1),
				f.recompute_s.toFixed(1),
				Math.max(f.mb, f.recompute_mb).toFixed(0),
				f.gb.toFixed(1)]));
		}
	}
}

const bench = new Bench(options(process.argv.slice(2)));
let wrong = ["it did not finish"];
const stop = () => bench.close().then(() => process.exit(130));
process.once("SIGINT", stop);
process.once("SIGTERM", stop);
try {
	await bench.open();
	for (const part of bench.o.steps)
		await bench.step(part);
	const log = await bench.log();
	wrong = bench.judge(log);
	if (bench.o.json) {
		console.log(JSON.stringify({ events: EVENTS, bars: BARS,
			steps: bench.figures, log, missed: wrong }, null, "  "));
	} else {
		bench.table();
		if (log)
			console.log(`from the log: ${log.requests} requests in`
				+ ` ${log.recompute_s.toFixed(1)} s`);
	}
} catch (error) {
	bench.say(`bench reputation: ${error.message}`);
} finally {
	await bench.close();
}
for (const one of wrong)
	bench.say(`missed: ${one}`);
process.exitCode = wrong.length === 0 ? 0 : 1;
