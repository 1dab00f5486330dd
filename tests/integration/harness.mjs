// SPDX-License-Identifier: Apache-2.0
// A whole Assay for one test file: a private Postgres, assay-auth and
// assay-gateway as they are built, on free ports, in a folder of their own, plus
// whatever providers the test asks for. close() stops everything, and fails
// when a program has left a sanitizer's report or did not end properly.
import { randomBytes } from "node:crypto";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { Authority, makeCsr, makeKey } from "./lib/certificates.mjs";
import { call } from "./lib/http.mjs";
import { NodeProvider, fileEntry, statementOf } from "./lib/node-provider.mjs";
import { Postgres } from "./lib/postgres.mjs";
import { BUILD, Program, freePort, run } from "./lib/program.mjs";
import { RealRuntime, ScriptedRuntime, pretendModel, realModel }
	from "./lib/runtime.mjs";
import { until } from "./lib/wait.mjs";

export { Authority, NodeProvider, Program, RealRuntime, ScriptedRuntime, call,
	fileEntry, freePort, makeCsr, makeKey, pretendModel, realModel, run,
	statementOf, until };
export { events, open } from "./lib/http.mjs";
export { dial } from "./lib/node-provider.mjs";
export { Mailbox, within } from "./lib/wait.mjs";
export { BUILD, ROOT } from "./lib/program.mjs";

export const ALL_TASKS = ["chat", "completion", "embedding", "transcription",
	"speech", "image"];

function flags(settings) {
	return Object.entries(settings)
		.map(([name, value]) => `--${name}=${value}`);
}

export class Assay {
	static async start(options = {}) {
		const self = new Assay();
		self.options = options;
		self.folder = fs.mkdtempSync(path.join(os.tmpdir(), "assay-test-"));
		self.closers = [];
		try {
			await self.#begin(options);
		} catch (error) {
			await self.close().catch(() => {});
			throw error;
		}
		return self;
	}

	path(...parts) { return path.join(this.folder, ...parts); }

	async #begin({ gateway = {}, auth = {} }) {
		this.postgres = await Postgres.start();
		this.closers.push(() => this.postgres.close());
		await this.cli("migrate");
		await this.#makeCertificates();
		await this.startAuth(auth);
		await this.startGateway(gateway);
	}

	async #makeCertificates() {
		const folder = this.path("pki");
		fs.mkdirSync(folder);
		this.operatorCa = await Authority.make(folder, "operator-ca");
		this.ca = fs.readFileSync(this.operatorCa.certificate, "utf8");
		this.serverLeaf = await this.operatorCa.issue("server",
			{ usage: "serverAuth" });
		this.gatewayLeaf = await this.operatorCa.issue("gateway",
			{ usage: "clientAuth" });
	}

	async startAuth(more = {}) {
		const ports = this.authPorts ??= { public: await freePort(),
			mint: await freePort(), admin: await freePort() };
		this.ports ??= { http: await freePort(), https: await freePort(),
			admin: await freePort(), tunnel: await freePort() };
		this.authUrl = `https://127.0.0.1:${ports.public}`;
		this.tunnel = `127.0.0.1:${this.ports.tunnel}`;
		this.issuer = this.authUrl;
		this.keysFolder = this.path("auth");
		this.auth = await this.#serve("assay-auth", {
			"admin.listen": `127.0.0.1:${ports.admin}`,
			"database.url": this.postgres.url("assay_auth"),
			"listen.address": `127.0.0.1:${ports.public}`,
			"listen.certificate": this.serverLeaf.certificate,
			"listen.key": this.serverLeaf.key,
			"mint.listen": `127.0.0.1:${ports.mint}`,
			"mint.certificate": this.serverLeaf.certificate,
			"mint.key": this.serverLeaf.key,
			"mint.gateway_ca": this.operatorCa.certificate,
			"enrol.gateway_ca": this.operatorCa.certificate,
			"enrol.tunnels": this.tunnel,
			"issuer": this.issuer,
			"state.folder": this.keysFolder,
			...more,
		});
		this.deviceCa = path.join(this.keysFolder, "device-ca.pem");
		this.deviceCaKey = path.join(this.keysFolder, "device-ca.key");
	}

	async startGateway(more = {}) {
		const { http, https, admin, tunnel } = this.ports;
		this.url = `http://127.0.0.1:${http}`;
		this.httpsUrl = `https://127.0.0.1:${https}`;
		this.adminUrl = `http://127.0.0.1:${admin}`;
		fs.mkdirSync(this.path("gateway"), { recursive: true });
		this.gateway = await this.#serve("assay-gateway", {
			"admin.listen": `127.0.0.1:${admin}`,
			"auth.ca": this.operatorCa.certificate,
			"auth.certificate": this.gatewayLeaf.certificate,
			"auth.key": this.gatewayLeaf.key,
			"auth.mint": `127.0.0.1:${this.authPorts.mint}`,
			// Tests count requests; the one of canaries asks for them.
			"canary.per_day": 0,
			"database.url": this.postgres.url("assay_gateway"),
			"listen.certificate": this.serverLeaf.certificate,
			"listen.http": `127.0.0.1:${http}`,
			"listen.https": `127.0.0.1:${https}`,
			"listen.key": this.serverLeaf.key,
			"log.level": "debug",
			"state.folder": this.path("gateway"),
			"timeouts.drain": "5s",
			"tunnel.certificate": this.serverLeaf.certificate,
			"tunnel.device_ca": this.deviceCa,
			"tunnel.key": this.serverLeaf.key,
			"tunnel.listen": `127.0.0.1:${tunnel}`,
			...more,
		});
		await this.gatewayIsReady();
	}

	async gatewayIsReady() {
		await until("the gateway to be ready", async () =>
			(await call(`${this.adminUrl}/readyz`)).status === 200);
	}

	async #serve(name, settings) {
		const program = new Program(name, path.join(BUILD, name),
			flags(settings), { log: this.path(`${name}.log`) });
		this.closers.push(async () => {
			if (program.isRunning)
				await program.stop();
			else
				program.inspect();
		});
		await program.line("event=ready");
		return program;
	}

	// The command line, as operator; gives what it printed as JSON.
	async cli(...args) {
		const json = !["migrate"].includes(args[0]);
		const out = await run(path.join(BUILD, "assay"),
			json ? [...args, "--json"] : args,
			{ env: { ASSAY_DATABASE_URL: this.postgres.url() } });
		return json ? JSON.parse(out) : out;
	}

	async workspace(name) {
		return this.cli("workspace", "create", name);
	}

	// An API key of a fresh account in the workspace.
	async key(workspace, { scopes = [], account } = {}) {
		const name = account ?? `${workspace}-${randomBytes(4)
			.toString("hex")}`;
		if (!account) {
			await this.cli("account", "create", "--workspace", workspace,
				name);
		}
		const made = await this.cli("key", "create", "--account", name,
			...scopes.flatMap((scope) => ["--scope", scope]));
		return made.key;
	}

	async code(workspace) {
		return (await this.cli("code", "create", "--workspace",
			workspace)).code;
	}

	async catalog(canonical, file, { tasks = ["chat", "completion",
		"embedding"], quantization = "F16", runtime = "llama.cpp",
	workspace } = {}) {
		return this.cli("catalog", "add", "--canonical", canonical,
			...tasks.flatMap((task) => ["--task", task]),
			"--quantization", quantization, "--runtime", runtime,
			...[].concat(file).flatMap((one) => ["--file", one]),
			...(workspace ? ["--workspace", workspace] : []));
	}

	// A model that only hashes like one, in the catalog.
	async pretend(canonical, options) {
		const file = pretendModel(this.path("models",
			randomBytes(4).toString("hex")));
		await this.catalog(canonical, file, options);
		return file;
	}

	// The ordinary way to become a device, as any program would do it.
	async enrol(workspace) {
		const key = this.path(`device-${randomBytes(4).toString("hex")}.key`);
		await makeKey(key);
		const answer = await call(`${this.authUrl}/v1/devices`, {
			ca: this.ca, json: { code: await this.code(workspace),
				csr: await makeCsr(key) } });
		if (answer.status !== 201)
			throw new Error(`enrolment: ${answer.status} ${answer.text}`);
		return { ...answer.json, keyFile: key,
			key: fs.readFileSync(key, "utf8"),
			certificate: answer.json.certificate_chain };
	}

	// A provider on Node's own HTTP/2, enrolled; connect() is the caller's.
	async nodeProvider(workspace) {
		const device = await this.enrol(workspace);
		const provider = new NodeProvider({ did: device.did,
			certificate: device.certificate, key: device.key,
			ca: device.gateway_ca, tunnel: device.tunnels[0] });
		provider.device = device;
		this.closers.push(() => provider.close());
		return provider;
	}

	// The same, connected and serving these models: [canonical, file, tasks].
	async servingNodeProvider(workspace, models, more = {}) {
		const provider = await this.nodeProvider(workspace);
		const statement = statementOf(models.map(
			([canonical, file, tasks = ["chat", "completion"]]) => ({
				canonical, tasks, files: [fileEntry(file)],
				quantization: "F16", context_length: 8192 })), more);
		const verdict = await provider.join(statement);
		for (const model of verdict.models) {
			if (model.status !== "accepted")
				throw new Error(`refused: ${JSON.stringify(verdict)}`);
		}
		return provider;
	}

	async scriptedRuntime(options) {
		const runtime = await ScriptedRuntime.start(options);
		this.closers.push(() => runtime.close());
		return runtime;
	}

	async realRuntime(which, name) {
		const runtime = await RealRuntime.start({
			model: await realModel(which), name, folder: this.folder });
		this.closers.push(() => runtime.close());
		return runtime;
	}

	// The real daemon, enrolled through its own command, in front of a
	// runtime; resolves when the gateway has judged it.
	async daemon(workspace, runtime, models, { controls, settings = {},
		waitFor = models.length > 0, kind = "llama.cpp" } = {}) {
		const state = this.path(`provider-${randomBytes(4).toString("hex")}`);
		fs.mkdirSync(state, { mode: 0o700 });
		const ca = this.operatorCa.certificate;
		await run(path.join(BUILD, "assay-provider"), ["enrol",
			"--auth", this.authUrl, "--code", await this.code(workspace),
			"--state", state, "--ca", ca]);
		const direct = await freePort();
		const offer = path.join(state, "offer.json");
		const self = { state, runtime, offer,
			direct: `https://127.0.0.1:${direct}`,
			did: JSON.parse(fs.readFileSync(
				path.join(state, "identity.json"))).did,
			settings: { "auth.ca": ca, "auth.url": this.authUrl,
				"direct.listen": `127.0.0.1:${direct}`,
				"direct.endpoints": `https://127.0.0.1:${direct}`,
				"health.every": "1s", "offer.file": offer,
				"log.level": "debug", "state.folder": state,
				...settings } };
		self.writeOffer = (entries, more = controls) => {
			fs.writeFileSync(offer, JSON.stringify({
				runtime: { kind, url: runtime.url },
				models: entries.map(([canonical, file,
					tasks = ["chat", "completion"]]) => ({
					canonical, tasks, files: [].concat(file),
					quantization: "F16" })),
				...(more ? { controls: more } : {}) }));
		};
		self.start = async () => {
			self.program = new Program("assay-provider",
				path.join(BUILD, "assay-provider"),
				["run", ...flags(self.settings)],
				{ log: `${state}.log` });
			await self.program.line("event=ready");
		};
		self.writeOffer(models);
		await self.start();
		this.closers.push(async () => {
			if (self.program.isRunning)
				await self.program.stop();
			else
				self.program.inspect();
		});
		if (waitFor) {
			await until("the daemon to be admitted", async () =>
				(await this.postgres.query(
					"select 1 from assay.fingerprint where did = "
					+ `'${self.did}' and status = 'accepted'`))
					.length > 0);
		}
		return self;
	}

	call(where, options) { return call(`${this.url}${where}`, options); }

	chat(key, model, more = {}) {
		return this.call("/v1/chat/completions", { key, json: { model,
			messages: [{ role: "user", content: "the gateway" }],
			...more } });
	}

	// Ends everything, last come first gone; tells the first thing that is
	// not as it should be.
	async close() {
		const wrongs = [];
		for (const closer of this.closers.reverse()) {
			try {
				await closer();
			} catch (error) {
				wrongs.push(error);
			}
		}
		this.closers = [];
		if (wrongs.length > 0) {
			wrongs[0].message += `\n(logs are in ${this.folder})`;
			throw wrongs[0];
		}
		if (!process.env.ASSAY_KEEP) {
			fs.rmSync(this.folder, { recursive: true,
				force: true });
		}
	}
}
