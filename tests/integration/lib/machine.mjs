// SPDX-License-Identifier: Apache-2.0
// A forged machine with more than a TDX platform: an SNP platform, two GPUs behind
// a library that stands in for NVML, dstack's guest agent, a Mac, and the tokens
// of an attestation service. What it says can be spoilt by words.
import { createHash, createPrivateKey, sign } from "node:crypto";
import fs from "node:fs";
import http from "node:http";
import path from "node:path";
import { BUILD, run } from "./program.mjs";
import { TdxPlatform, reportData } from "./tdx.mjs";

const FORGE = path.join(BUILD, "tests/forge");
const NVML = path.join(BUILD, "tests/libnvml_forged.so");
const RUNTIME_EVENT = 0x08000001;

const hash = (algorithm, ...parts) => parts.reduce(
	(h, part) => h.update(part), createHash(algorithm)).digest();
const base64 = (hex) => Buffer.from(hex.trim(), "hex").toString("base64");

export class SnpPlatform extends TdxPlatform {
	async report(data, ...words) {
		return base64(await run(FORGE, ["snp", this.folder,
			data.toString("hex"), ...words]));
	}

	answer(data) { return this.report(data, ...this.words); }
}

// The bundle with one CPU and whatever else.
export function bundle(facts, ...items) {
	return { binding: "assay", nonce: facts.nonce, items };
}

export async function snpItem(platform, facts, ...words) {
	const self = new SnpPlatform();
	self.folder = platform.folder;
	return { kind: "snp",
		report: await self.report(reportData(facts), ...words) };
}

export async function gpuItem(platform, nonce, { words = [],
	devices = [0, 1] } = {}) {
	const list = [];
	for (const device of devices) {
		const certificate = fs.readFileSync(path.join(platform.folder,
			`parts/gpu-${device}.pem`)).toString("base64");
		list.push({ certificate, evidence: base64(await run(FORGE,
			["gpu", platform.folder, nonce, String(device),
				...words])) });
	}
	return { kind: "nvidia", arch: "HOPPER", evidence_list: list };
}

// The folder as the daemon's evidence.nvml; gpu-words spoil its reports.
export function serveNvml(platform) {
	const library = path.join(platform.folder, "libnvidia-ml.so.1");
	fs.copyFileSync(NVML, library);
	fs.symlinkSync(FORGE, path.join(platform.folder, "forge"));
	platform.gpuWords = (...words) => fs.writeFileSync(
		path.join(platform.folder, "gpu-words"), words.join(" "));
	platform.gpuWords();
	return library;
}

export async function mdaItem(platform, spki, ...words) {
	const freshness = hash("sha256", spki.toString("base64"));
	return { kind: "apple-mda", attestation: base64(await run(FORGE,
		["mda", platform.folder, freshness.toString("hex"), ...words])) };
}

export async function appItem(platform, nonce, ...words) {
	const [id, object] = (await run(FORGE, ["app", platform.folder, nonce,
		...words])).trim().split("\n");
	return { kind: "apple-app-attest", key_id: base64(id),
		attestation: base64(object) };
}

// An application's log: its events, and the register that they lead to.
export function dstackLog(compose, forge = (events) => events) {
	const events = [], said = [["app-id", "11".repeat(20)],
		["compose-hash", hash("sha256", compose).toString("hex")],
		["instance-id", "22".repeat(20)], ["system-ready", ""]];
	let rtmr3 = Buffer.alloc(48);
	for (const [event, payload] of said) {
		const type = Buffer.alloc(4);
		type.writeUInt32LE(RUNTIME_EVENT);
		const digest = hash("sha384", type, ":", event, ":",
			Buffer.from(payload, "hex"));
		rtmr3 = hash("sha384", rtmr3, digest);
		events.push({ imr: 3, event_type: RUNTIME_EVENT, event,
			event_payload: payload, digest: digest.toString("hex") });
	}
	return { rtmr3: rtmr3.toString("hex"), events: forge(events) };
}

// dstack's guest agent on a socket; `agent.compose`, `agent.forge` and
// `agent.words` spoil what it says.
export async function serveDstack(platform, compose) {
	const agent = { compose, measured: compose, words: [],
		forge: (events) => events,
		socket: path.join(platform.folder, "dstack.sock") };
	const answers = {
		"/GetQuote": async ({ report_data: data }) => {
			const log = dstackLog(agent.measured, agent.forge);
			const quote = await platform.quote(
				Buffer.from(data, "hex"), `rtmr3=${log.rtmr3}`,
				...agent.words);
			return { quote: Buffer.from(quote, "base64").toString("hex"),
				event_log: JSON.stringify(log.events) };
		},
		"/Info": async () => ({ tcb_info: JSON.stringify(
			{ app_compose: agent.compose }) }),
	};
	const server = http.createServer(async (question, answer) => {
		let body = "";
		for await (const part of question)
			body += part;
		const said = JSON.stringify(
			await answers[question.url](JSON.parse(body)));
		answer.writeHead(200, { "content-type": "application/json",
			"content-length": Buffer.byteLength(said),
			connection: "close" });
		answer.end(said);
	});
	await new Promise((resolve) => server.listen(agent.socket, resolve));
	agent.close = () => new Promise((resolve) => server.close(resolve));
	return agent;
}

const CLAIMS = ["x-nvidia-gpu-arch-check", "secboot",
	"x-nvidia-gpu-attestation-report-parsed",
	"x-nvidia-gpu-attestation-report-nonce-match",
	"x-nvidia-gpu-attestation-report-signature-verified",
	"x-nvidia-gpu-attestation-report-cert-chain-validated",
	"x-nvidia-gpu-driver-rim-fetched",
	"x-nvidia-gpu-driver-rim-schema-validated",
	"x-nvidia-gpu-driver-rim-signature-verified",
	"x-nvidia-gpu-driver-rim-cert-validated",
	"x-nvidia-gpu-driver-rim-measurements-available",
	"x-nvidia-gpu-vbios-rim-fetched",
	"x-nvidia-gpu-vbios-rim-schema-validated",
	"x-nvidia-gpu-vbios-rim-signature-verified",
	"x-nvidia-gpu-vbios-rim-cert-validated",
	"x-nvidia-gpu-vbios-rim-measurements-available",
	"x-nvidia-gpu-vbios-index-no-conflict"];

// An answer of the attestation service about two devices.
export function nrasItem(platform, nonce, { overall = true, age = 60 } = {}) {
	const key = createPrivateKey(fs.readFileSync(path.join(platform.folder,
		"parts/nras/key.pem")));
	const now = Math.floor(Date.now() / 1000);
	const url = (bytes) => Buffer.from(bytes).toString("base64url");
	const token = (claims) => {
		const text = [{ alg: "ES384", kid: "k1" },
			{ iss: "https://nras.attestation.nvidia.com",
				iat: now - age, nbf: now - age,
				exp: now - age + 3600, eat_nonce: nonce,
				...claims }].map((part) =>
			url(JSON.stringify(part))).join(".");
		return `${text}.${url(sign("sha384", Buffer.from(text),
			{ key, dsaEncoding: "ieee-p1363" }))}`;
	};
	const devices = {}, submods = {};
	for (const [i, ueid] of ["11", "22"].entries()) {
		const name = `GPU-${i}`;
		devices[name] = token({ measres: "success", dbgstat: "disabled",
			ueid, ...Object.fromEntries(
				CLAIMS.map((claim) => [claim, true])) });
		submods[name] = ["DIGEST", ["SHA-256",
			hash("sha256", devices[name]).toString("hex")]];
	}
	return { kind: "nras", token: [["JWT", token({ sub:
		"NVIDIA-PLATFORM-ATTESTATION",
	"x-nvidia-overall-att-result": overall, submods })], devices] };
}
