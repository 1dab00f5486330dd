#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// attestation_peers.mjs [FOLDER]: CPU time of dcap-qvl, as JavaScript and as
// WebAssembly, for the quotes that bench_attestation judges, which runs first
// in the same run; prints the median and the 99th percentile in microseconds
// and how often our cost goes into theirs. FOLDER holds the vectors.
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { verify as verifyInJavascript } from "@phala/dcap-qvl";
import { initSync, js_verify as verifyInWasm } from "@phala/dcap-qvl-web";

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)),
	"../..");
const BUILD = path.resolve(ROOT, process.env.ASSAY_BUILD ?? "build/release");
const FOLDER = path.resolve(process.argv[2] ?? process.env.ASSAY_VECTORS ??
	path.join(ROOT, "../shared/vectors"));
const WARM = 60;
const SAMPLES = 300;

// The same as in bench/attestation.c.
const QUOTES = [
	{ name: "v4", quote: "tdx/quotes/near-model.bin",
	  bundle: "tdx/collateral/90c06f-20260610_014855.json",
	  at: "2026-06-25T01:00:20Z" },
	{ name: "v5", quote: "tdx/quotes/gtdx-quote-v5-sample.bin",
	  bundle: "tdx/collateral/90c06f-20260218.json",
	  at: "2026-03-01T00:00:00Z" },
];
const PEERS = [
	{ name: "dcap-qvl JavaScript", verify: (quote, bundle, now) =>
		verifyInJavascript(quote, bundle, now) },
	{ name: "dcap-qvl WebAssembly", verify: (quote, bundle, now) =>
		verifyInWasm(quote, bundle, BigInt(now)) },
];

const bytes = (file) => fs.readFileSync(path.join(FOLDER, file));

function cpu() {
	const { user, system } = process.cpuUsage();
	return user + system;
}

// Each time everything anew: neither peer can keep verified collateral.
function measure(run) {
	const took = [];

	for (let i = 0; i < WARM + SAMPLES; i++) {
		const start = cpu();
		run();
		if (i >= WARM)
			took.push(cpu() - start);
	}
	took.sort((a, b) => a - b);
	return { median: took[SAMPLES / 2],
		p99: took[Math.floor(SAMPLES * 0.99)] };
}

function ours() {
	execFileSync("cmake", ["--build", BUILD, "--target",
		"bench_attestation"], { stdio: ["ignore", "ignore", "inherit"] });
	const out = execFileSync(path.join(BUILD, "tests/bench_attestation"),
		[FOLDER], { encoding: "utf8" });
	process.stdout.write(out);
	return (what) => {
		const line = out.split("\n").find((one) => one.startsWith(what));
		return Number(line.slice(what.length).trim().split(/ +/)[0]);
	};
}

function show(peer, one, of) {
	const quote = bytes(one.quote);
	const bundle = JSON.parse(bytes(one.bundle));
	const now = Date.parse(one.at) / 1000;
	const name = `${peer.name}, ${one.name}`.padEnd(34);

	try {
		peer.verify(quote, bundle, now);
	} catch (error) {
		console.log(`${name} refuses: ${error.message ?? error}`);
		return;
	}
	const t = measure(() => peer.verify(quote, bundle, now));
	const ratio = (what) => (t.median / of(`TDX ${one.name}, ${what}`))
		.toFixed(1).padStart(9);
	console.log(name + t.median.toFixed(1).padStart(10)
		+ t.p99.toFixed(1).padStart(10)
		+ ratio("all anew") + ratio("collateral kept"));
}

if (!fs.existsSync(FOLDER)) {
	console.log(`skipped, no folder ${path.basename(FOLDER)}`);
	process.exit(0);
}
initSync({ module: fs.readFileSync(path.join(path.dirname(fileURLToPath(
	import.meta.resolve("@phala/dcap-qvl-web"))),
"dcap-qvl-web_bg.wasm")) });
const of = ours();
console.log(`\n${"CPU, us".padEnd(34)}    median       p99`
	+ "   / anew   / kept");
for (const peer of PEERS)
	for (const one of QUOTES)
		show(peer, one, of);
