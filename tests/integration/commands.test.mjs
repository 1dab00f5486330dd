// SPDX-License-Identifier: Apache-2.0
// Promise: who runs a provider or the gateway can see from the command line how
// things stand, in words for people and in JSON for scripts.
import assert from "node:assert/strict";
import { execFile as execFileWithCallback } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import http from "node:http";
import path from "node:path";
import { promisify } from "node:util";
import { after, before, describe, test } from "node:test";
import { Assay, BUILD, run, until } from "./harness.mjs";

const execFile = promisify(execFileWithCallback);
const MODEL = "lovelace:seen";
let assay, daemon, key, options;

before(async () => {
	assay = await Assay.start();
	await assay.workspace("seen");
	const file = await assay.pretend(MODEL);
	daemon = await assay.daemon("seen", await assay.scriptedRuntime(),
		[[MODEL, file]]);
	key = await assay.key("seen");
	options = Object.entries(daemon.settings)
		.map(([name, value]) => `--${name}=${value}`);
});
after(() => assay?.close());

const provider = (...args) => run(path.join(BUILD, "assay-provider"), args);
const assayCommand = (args, env) => run(path.join(BUILD, "assay"), args,
	{ env: { ASSAY_DATABASE_URL: assay.postgres.url(), ...env } });

describe("assay-provider", () => {
	test("status says what the gateway has accepted", async () => {
		const text = await until("the status", async () => {
			const said = await provider("status", ...options);
			return said.includes("accepted") && said;
		});
		assert.ok(text.includes(daemon.did));
		assert.ok(text.includes(MODEL));
		const json = JSON.parse(await provider("status", "--json",
			...options));
		assert.equal(json.did, daemon.did);
	});

	test("doctor finds nothing wrong", async () => {
		const text = await provider("doctor", ...options);
		assert.doesNotMatch(text, /FAIL/);
		assert.match(text, /^ok /m);
	});

	test("doctor says what is wrong, and its status tells", async () => {
		const text = await run(path.join(BUILD, "assay-provider"),
			["doctor", ...options.filter((one) =>
				!one.startsWith("--offer.file")),
			"--offer.file=/nonexistent/offer.json"])
			.then(() => "", (error) => error.message);
		assert.match(text, /status 1/);
	});

	test("doctor says that the clock is wrong", async () => {
		const auth = http.createServer((request, response) => {
			response.setHeader("date",
				new Date(Date.now() - 3600_000).toUTCString());
			response.end("{}");
		}).listen(0, "127.0.0.1");
		await once(auth, "listening");
		const url = `http://127.0.0.1:${auth.address().port}`;
		const { stdout } = await execFile(
			path.join(BUILD, "assay-provider"),
			["doctor", ...options.filter((one) =>
				!/^--auth\.(url|ca)=/.test(one)), `--auth.url=${url}`])
			.then(() => ({ stdout: "" }), (error) => error);
		auth.close();
		assert.match(stdout, /^FAIL {2}clock agrees with assay-auth: this machine is (3599|360\d) s ahead of/m);
	});

	test("a settings file is held to the table that printed it", async () => {
		for (const [program, before] of [["assay-provider", ["doctor"]],
			["assay-gateway", []], ["assay-auth", []],
			["assay-reputation", []]]) {
			const command = path.join(BUILD, program);
			const text = await run(command, ["--settings-example"]);
			assert.match(text, /^log\.level = info$/m, program);
			const file = assay.path(`${program}.conf`);
			fs.writeFileSync(file, text.replace(
				/^log\.level = info$/m, "log.levle = info"));
			const said = await run(command, [...before,
				"--config", file]).then(() => "",
				(error) => error.message);
			assert.match(said, /conf:\d+: there is no such setting/,
				program);
			const loud = await run(command, [...before,
				"--log.level=loud"]).then(() => "",
				(error) => error.message);
			assert.match(loud, /log\.level.*must be debug, info, warn/,
				program);
		}
	});
});

describe("assay", () => {
	test("providers, as a table and as JSON", async () => {
		const table = await assayCommand(["providers"]);
		assert.ok(table.includes(daemon.did));
		const rows = await assay.cli("providers");
		assert.ok(rows.some((one) => one.did === daemon.did));
	});

	test("request show tells one request from end to end", async () => {
		const answer = await assay.chat(key, MODEL);
		const id = answer.headers["x-request-id"];
		await until("the record", () => assay.postgres.value(
			`select id from assay.request where id = '${id}'`));
		const shown = await assayCommand(["request", "show", id]);
		assert.ok(shown.includes(daemon.did), shown);
		assert.match(shown, /served/);
	});

	test("route explains a dry run", async () => {
		const shown = await assayCommand(["route", "--model", MODEL,
			"--task", "chat"], { ASSAY_URL: assay.url,
			ASSAY_API_KEY: key });
		assert.ok(shown.includes(daemon.did), shown);
	});

	test("a mistake in the call is status 2, a failure status 1", async () => {
		await run(path.join(BUILD, "assay"), ["nothing"], { status: 2 });
		const said = await run(path.join(BUILD, "assay"),
			["workspace", "show", "nobody"], { status: 1, env: {
				ASSAY_DATABASE_URL: assay.postgres.url() } });
		assert.match(said, /^assay: /);
	});

	test("a name that is taken or no name is told so", async () => {
		const env = { ASSAY_DATABASE_URL: assay.postgres.url() };
		const make = (name) => run(path.join(BUILD, "assay"),
			["workspace", "create", name], { status: 1, env });

		await assay.workspace("twice");
		assert.match(await make("twice"), /that name is taken/);
		assert.match(await make("No Name"), /a workspace's name is/);
	});

	test("a noun alone tells its commands", async () => {
		const said = await run(path.join(BUILD, "assay"),
			["key"], { status: 2 });
		const help = await run(path.join(BUILD, "assay"),
			["key", "--help"]);
		assert.equal(said, help);
		assert.match(help, /^ {2}key revoke ID /m);
		assert.doesNotMatch(help, /device/);
	});

	test("keys and codes are in no table but as hashes", async () => {
		const code = await assay.code("seen");
		for (const [table, secret] of [["api_key", key],
			["enrolment_code", code]]) {
			const rows = await assay.postgres.query(
				`select x::text from assay.${table} x`);
			assert.ok(rows.length > 0);
			assert.ok(!JSON.stringify(rows).includes(secret), table);
		}
	});
});

describe("a device that was revoked", () => {
	test("is told by doctor that no gateway lets it in", async () => {
		await assayCommand(["device", "revoke", daemon.did]);
		await until("doctor to say so", async () => {
			const text = await run("/bin/sh", ["-c",
				'"$0" "$@" || true',
				path.join(BUILD, "assay-provider"),
				"doctor", ...options]);
			return text.includes("is the device revoked?");
		});
	});
});
