// SPDX-License-Identifier: Apache-2.0
// How often a canary sees a swapped model, and how often it suspects an honest
// one: `./dev bench canary --text FILE [--seconds N] [--canaries N] [--json]`.
// Three small language models are trained on the prose of FILE and served by
// llama.cpp; the gateway's own code asks and compares. "Honest" is the same file
// in other surroundings: an older processor's kernels, more threads, smaller
// batches, several requests at once. "Swapped" is another file, or less of the
// prompt. It needs a programs' build (ASSAY_BUILD) with bench_canary_train and
// bench_canary_answers, some minutes, and nothing of the network.
import { execFileSync, spawn } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { writeModel } from "./canary_model.mjs";

const ROOT = path.resolve(import.meta.dirname ?? path.dirname(
	new URL(import.meta.url).pathname), "../..");
const BUILD = path.resolve(process.env.ASSAY_BUILD ?? "build/release");
const { values: options } = parseArgs({ options: {
	text: { type: "string" },
	seconds: { type: "string", default: "300" },
	canaries: { type: "string", default: "400" },
	keep: { type: "string" },
	ways: { type: "string", default: "" },
	json: { type: "boolean", default: false },
} });
if (!options.text) {
	console.error("usage: canary.mjs --text FILE [--seconds N] [--canaries N]"
		+ " [--keep FOLDER] [--ways EXPRESSION] [--json]");
	process.exit(2);
}
const PER_DAY = 24; // CANARY_PER_DAY of gateway/canary_answer.h
const folder = options.keep ?? fs.mkdtempSync(path.join(os.tmpdir(), "canary-"));
const at = (...names) => path.join(folder, ...names);
const MODELS = {
	large: { layers: 4, width: 128, seed: 1 },
	other: { layers: 4, width: 128, seed: 3 },
	small: { layers: 2, width: 64, seed: 2 },
};

function program(name) {
	return path.join(BUILD, "tests", name);
}

// Weights that are there from an earlier run are taken as they are.
function train(name, { layers, width, seed }) {
	if (fs.existsSync(at(`${name}.bin`)))
		return null;
	const child = spawn(program("bench_canary_train"), [options.text,
		at(`${name}.bin`), layers, width, options.seconds, seed].map(String),
	{ stdio: ["ignore", "inherit", "inherit"] });
	return new Promise((resolve, reject) => child.on("exit", (code) =>
		code === 0 ? resolve() : reject(new Error(`${name}: ${code}`))));
}

function model(name, kind) {
	const out = at(`${name}-${kind}.gguf`);
	writeModel(at(`${name}.bin`), { name, kind, ...MODELS[name] }, out);
	return out;
}

// The runtime in a folder of its own, so that it can be another one: with other
// words in it, or without the newer kernels.
function runtime(name, { words = [], kernel } = {}) {
	const home = at(`runtime-${name}`);
	fs.rmSync(home, { recursive: true, force: true });
	fs.mkdirSync(home);
	execFileSync("cp", ["-al", path.join(ROOT, "node_modules"), home]);
	let source = fs.readFileSync(path.join(ROOT, "tests/runtime/server.mjs"),
		"utf8");
	for (const [was, is] of words) {
		if (!source.includes(was))
			throw new Error(`server.mjs has no ${was}`);
		source = source.replace(was, is);
	}
	fs.writeFileSync(path.join(home, "server.mjs"), source);
	const found = execFileSync("find", [home, "-name", "libggml-cpu-*.so"],
		{ encoding: "utf8" }).split("\n").filter(Boolean);
	for (const file of found) {
		if (kernel && !file.endsWith(`-${kernel}.so`))
			fs.rmSync(file);
	}
	return path.join(home, "server.mjs");
}

async function serve(server, file) {
	const child = spawn(process.execPath, [server, "--model", file, "--name",
		"m", "--context", "1024"], { stdio: ["ignore", "pipe", "inherit"] });
	const port = await new Promise((resolve, reject) => {
		let text = "";
		child.stdout.on("data", (some) => {
			text += some;
			const found = /listening (\d+)/.exec(text);
			if (found)
				resolve(Number(found[1]));
		});
		child.on("exit", (code) => reject(new Error(`runtime: ${code}`)));
	});
	return { url: `http://127.0.0.1:${port}`, stop: () => child.kill() };
}

const PATHS = { chat: "/v1/chat/completions", completion: "/v1/completions" };

function cut(text) {
	return text.slice(Math.floor(text.length / 2));
}

// What a provider that saves on context hands to its model.
function shortened(json) {
	const body = JSON.parse(json);
	if (body.messages)
		body.messages[0].content = cut(body.messages[0].content);
	else
		body.prompt = cut(body.prompt);
	return JSON.stringify(body);
}

async function answers(way, bodies) {
	const server = await serve(way.server, way.file);
	const out = new Array(bodies.length);
	let next = 0;
	const worker = async () => {
		while (next < bodies.length) {
			const i = next++;
			const [task, body] = bodies[i].split("\t");
			const answer = await fetch(server.url + PATHS[task], {
				method: "POST",
				body: way.shortens ? shortened(body) : body });
			if (!answer.ok)
				throw new Error(await answer.text());
			out[i] = JSON.stringify(await answer.json());
		}
	};
	try {
		await Promise.all(Array.from({ length: way.together ?? 1 }, worker));
	} finally {
		server.stop();
	}
	return out;
}

function hold(ours, theirs) {
	const lines = execFileSync(program("bench_canary_answers"), ["hold"], {
		input: theirs.map((one, i) => `${one}\t${ours[i]}\n`).join(""),
		maxBuffer: 1 << 26, encoding: "utf8" }).trim().split("\n");
	return lines.map((line) => {
		const [verdict, mean, least, positions] = line.split(" ");
		return { verdict, mean: Number(mean), least: Number(least),
			positions: Number(positions) };
	});
}

// Three that disagree within a day are needed: the chance that so many do of
// those that an offer gets by default, each on its own.
function withinADay(rate) {
	let missed = 0;

	for (let k = 0, ways = 1; k < 3; k++) {
		missed += ways * rate ** k * (1 - rate) ** (PER_DAY - k);
		ways *= (PER_DAY - k) / (k + 1);
	}
	return 1 - missed;
}

function summed(name, is, list) {
	const disagree = list.filter((x) => x.verdict === "disagrees").length;
	const means = list.map((x) => x.mean).sort((a, b) => a - b);
	return { name, is, canaries: list.length,
		unread: list.filter((x) => x.verdict === "unread").length,
		disagree, rate: disagree / list.length,
		within_a_day: withinADay(disagree / list.length),
		mean: means.reduce((a, b) => a + b, 0) / means.length,
		least_mean: means[0],
		positions: list.reduce((a, x) => a + x.positions, 0) / list.length };
}

await Promise.all(Object.entries(MODELS).map(([name, one]) => train(name, one)));
const prompts = at("prompts");
fs.writeFileSync(prompts, fs.readFileSync(options.text, "utf8").split("\n")
	.filter((line) => line.length >= 40).map((line) => line.slice(0, 160))
	.filter((_, i) => i % 7 === 0).slice(0, 5000).join("\n"));
const bodies = execFileSync(program("bench_canary_answers"), ["ask",
	options.canaries, "m", prompts], { encoding: "utf8", maxBuffer: 1 << 26 })
	.trim().split("\n");

const plain = runtime("plain");
const large = model("large", "F16");
const ours = await answers({ server: plain, file: large }, bodies);
const ways = [
	["the same again", "honest", { server: plain, file: large }],
	["kernels of 2008 (SSE 4.2)", "honest",
		{ server: runtime("sse42", { kernel: "sse42" }), file: large }],
	["kernels of 2013 (AVX 2)", "honest",
		{ server: runtime("haswell", { kernel: "haswell" }), file: large }],
	["two threads, batches of 16", "honest", { server: runtime("threads",
		{ words: [["maxThreads: 1", "maxThreads: 2"],
			["batchSize: 256", "batchSize: 16"]] }), file: large }],
	["eight requests at once", "honest",
		{ server: plain, file: large, together: 8 }],
	["8 bits for 16", "swapped", { server: plain, file: model("large", "Q8_0") }],
	["4 bits for 16", "swapped", { server: plain, file: model("large", "Q4_0") }],
	["a sixth of the size", "swapped",
		{ server: plain, file: model("small", "F16") }],
	["the same size, trained anew", "swapped",
		{ server: plain, file: model("other", "F16") }],
	["half of the prompt", "swapped",
		{ server: plain, file: large, shortens: true }],
];
const results = [];
for (const [name, is, way] of ways) {
	if (!new RegExp(options.ways).test(name))
		continue;
	const one = summed(name, is, hold(ours, await answers(way, bodies)));
	results.push(one);
	if (!options.json) {
		console.log(`${is.padEnd(8)} ${name.padEnd(30)}`
			+ ` ${String(one.disagree).padStart(4)} of ${one.canaries}`
			+ ` disagree (${(100 * one.rate).toFixed(1)} %), overlap`
			+ ` ${one.mean.toFixed(3)} (least ${one.least_mean.toFixed(3)})`
			+ ` over ${one.positions.toFixed(1)} tokens; three of a day's`
			+ ` ${PER_DAY}: ${(100 * one.within_a_day).toFixed(1)} %`);
	}
}
if (options.json)
	console.log(JSON.stringify(results, null, "\t"));
if (!options.keep)
	fs.rmSync(folder, { recursive: true });
process.exit(results.some((one) => one.is === "honest" && one.disagree > 0)
	? 1 : 0);
