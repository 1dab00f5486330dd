// SPDX-License-Identifier: Apache-2.0
// An OpenAI-compatible runtime on llama.cpp (npm node-llama-cpp), for the demo
// and the tests:
//
//     node server.mjs --model FILE.gguf --name NAME [--port N] [--received FILE]
//
// It serves /v1/chat/completions, /v1/completions, /v1/embeddings, /v1/models,
// /health and /props on 127.0.0.1, prints "listening PORT" when it is ready, and
// stops generating when its client leaves. With --received it appends every
// request it gets to FILE, one JSON document a line, so that a test can see
// what truly arrived.
import fs from "node:fs";
import http from "node:http";
import path from "node:path";
import { parseArgs } from "node:util";
import { getLlama, LlamaCompletion } from "node-llama-cpp";

const MOST_BODY_BYTES = 16 << 20;
const DEFAULT_TOKENS = 64;

const { values: options } = parseArgs({ options: {
	"model": { type: "string" },
	"name": { type: "string" },
	"port": { type: "string", default: "0" },
	"sequences": { type: "string", default: "8" },
	"context": { type: "string", default: "1024" },
	"received": { type: "string" },
} });
if (!options.model || !options.name) {
	console.error("usage: server.mjs --model FILE.gguf --name NAME"
		+ " [--port N] [--sequences N] [--context N] [--received FILE]");
	process.exit(2);
}
const contextSize = Number(options.context);
const sequences = Number(options.sequences);

const llama = await getLlama({ gpu: false, build: "never",
	logLevel: "error", maxThreads: 1 });
const model = await llama.loadModel({ modelPath: path.resolve(options.model) });
const context = await model.createContext({ contextSize, sequences,
	batchSize: 256 });
let embedding = null;

// A pool of sequences: a request waits for its turn and leaves the queue when
// its buyer does.
const idle = Array.from({ length: sequences }, () => context.getSequence());
const waiting = [];

function takeSequence(signal) {
	if (idle.length > 0)
		return Promise.resolve(idle.pop());
	return new Promise((resolve, reject) => {
		const turn = { resolve };
		waiting.push(turn);
		signal.addEventListener("abort", () => {
			const at = waiting.indexOf(turn);
			if (at >= 0) {
				waiting.splice(at, 1);
				reject(signal.reason);
			}
		});
	});
}

function giveBack(sequence) {
	if (waiting.length > 0)
		waiting.shift().resolve(sequence);
	else
		idle.push(sequence);
}

class BadRequest extends Error {}

function chatPrompt(body) {
	if (!Array.isArray(body.messages) || body.messages.length === 0)
		throw new BadRequest("messages must be a non-empty array");
	const texts = body.messages.map(({ content }) => {
		if (typeof content === "string")
			return content;
		return (content ?? []).map((part) => part.text ?? "").join(" ");
	});
	return `${texts.join(" . ")} .`;
}

function completionPrompt(body) {
	const prompt = Array.isArray(body.prompt) ? body.prompt[0] : body.prompt;
	if (typeof prompt !== "string")
		throw new BadRequest("prompt must be a string");
	return prompt;
}

function mostTokens(body) {
	const asked = body.max_completion_tokens ?? body.max_tokens
		?? DEFAULT_TOKENS;
	if (!Number.isInteger(asked) || asked < 1)
		throw new BadRequest("max_tokens must be a positive integer");
	return Math.min(asked, contextSize - 32);
}

function stopTexts(body) {
	if (body.stop === undefined || body.stop === null)
		return undefined;
	return [].concat(body.stop).filter((one) => typeof one === "string");
}

// Yields nothing; calls onText for each piece and returns counts and why it
// ended. The prompt keeps its end when it is longer than the context.
async function generate(body, prompt, signal, onText) {
	const maxTokens = mostTokens(body);
	const tokens = model.tokenize(prompt)
		.slice(-(contextSize - maxTokens - 8));
	const sequence = await takeSequence(signal);
	let produced = 0;

	try {
		await sequence.clearHistory();
		const completion = new LlamaCompletion({
			contextSequence: sequence, autoDisposeSequence: false });
		const { metadata } = await completion.generateCompletionWithMeta(
			tokens, {
				maxTokens, signal, stopOnAbortSignal: true,
				temperature: body.temperature ?? 0.8,
				topP: body.top_p, seed: body.seed,
				customStopTriggers: stopTexts(body),
				onToken: (some) => { produced += some.length; },
				onTextChunk: onText,
			});
		completion.dispose();
		return {
			finish: metadata.stopReason === "maxTokens"
				? "length" : "stop",
			usage: { prompt_tokens: tokens.length,
				completion_tokens: produced,
				total_tokens: tokens.length + produced },
		};
	} finally {
		giveBack(sequence);
	}
}

// How many alternatives a body wants with each token; 0: none.
function alternatives(body) {
	if (Number.isInteger(body.logprobs))
		return body.logprobs;
	return body.logprobs === true ? Math.max(body.top_logprobs ?? 0, 1) : 0;
}

// The likeliest token each time, with the likeliest alternatives and what the
// model gives to each. Whatever temperature was asked for: nothing is sampled.
async function generateLikeliest(body, prompt, signal, top) {
	const maxTokens = mostTokens(body);
	const tokens = model.tokenize(prompt)
		.slice(-(contextSize - maxTokens - 8));
	const sequence = await takeSequence(signal);
	const steps = [];
	let input = tokens, ended = false;

	try {
		await sequence.clearHistory();
		while (steps.length < maxTokens && !signal.aborted && !ended) {
			const results = await sequence.controlledEvaluate([
				...input.slice(0, -1), [input.at(-1), {
					generateNext: { probabilities: true,
						options: { temperature: 1 } } }]]);
			const likely = [...results.at(-1).next.probabilities]
				.slice(0, Math.max(top, 1));
			const [token] = likely[0];
			ended = model.isEogToken(token);
			if (!ended) {
				steps.push({ token, likely });
				input = [token];
			}
		}
	} finally {
		giveBack(sequence);
	}
	return { steps, finish: ended ? "stop" : "length",
		text: model.detokenize(steps.map(({ token }) => token)),
		usage: { prompt_tokens: tokens.length,
			completion_tokens: steps.length,
			total_tokens: tokens.length + steps.length } };
}

const named = (token, probability) => ({ token: model.detokenize([token], true),
	logprob: Math.log(Math.max(probability, 1e-30)), bytes: null });

function chatLogprobs(steps) {
	return { content: steps.map(({ likely }) => ({ ...named(...likely[0]),
		top_logprobs: likely.map((one) => named(...one)) })), refusal: null };
}

function textLogprobs(steps) {
	const all = steps.map(({ likely }) => likely.map((one) => named(...one)));
	return { tokens: all.map(([first]) => first.token),
		token_logprobs: all.map(([first]) => first.logprob),
		top_logprobs: all.map((list) => Object.fromEntries(list.map(
			({ token, logprob }) => [token, logprob]))) };
}

// What differs between the two generating endpoints, and nothing else.
const CHAT = {
	prompt: chatPrompt, id: "chatcmpl", whole: "chat.completion",
	piece: "chat.completion.chunk",
	first: () => ({ delta: { role: "assistant", content: "" } }),
	next: (content) => ({ delta: { content } }),
	last: () => ({ delta: {} }),
	choice: (content) => ({ message: { role: "assistant", content } }),
	logprobs: chatLogprobs,
};
const COMPLETION = {
	prompt: completionPrompt, id: "cmpl", whole: "text_completion",
	piece: "text_completion",
	first: null,
	next: (text) => ({ text }),
	last: () => ({ text: "" }),
	choice: (text) => ({ text, logprobs: null }),
	logprobs: textLogprobs,
};

let served = 0;

function heading(kind, body) {
	return { id: `${kind.id}-${process.pid}-${++served}`,
		created: Math.floor(Date.now() / 1000),
		model: body.model ?? options.name };
}

async function answerWhole(kind, body, reply, signal) {
	let text = "";
	const { finish, usage } = await generate(body, kind.prompt(body), signal,
		(piece) => { text += piece; });
	sendJson(reply, 200, { ...heading(kind, body), object: kind.whole,
		choices: [{ index: 0, ...kind.choice(text),
			finish_reason: finish }],
		usage });
}

async function answerStream(kind, body, reply, signal) {
	const prompt = kind.prompt(body);
	const head = { ...heading(kind, body), object: kind.piece };
	const send = (part, finish = null) => reply.write(`data: ${JSON.stringify({
		...head, choices: [{ index: 0, ...part, finish_reason: finish }],
	})}\n\n`);

	mostTokens(body);
	reply.writeHead(200, { "content-type": "text/event-stream",
		"cache-control": "no-cache" });
	if (kind.first)
		send(kind.first());
	const { finish, usage } = await generate(body, prompt, signal,
		(piece) => send(kind.next(piece)));
	send(kind.last(), finish);
	if (body.stream_options?.include_usage) {
		reply.write(`data: ${JSON.stringify({ ...head, choices: [],
			usage })}\n\n`);
	}
	reply.end("data: [DONE]\n\n");
}

async function answerLikeliest(kind, body, reply, signal) {
	const { steps, text, finish, usage } = await generateLikeliest(body,
		kind.prompt(body), signal, alternatives(body));
	sendJson(reply, 200, { ...heading(kind, body), object: kind.whole,
		choices: [{ index: 0, ...kind.choice(text),
			logprobs: kind.logprobs(steps), finish_reason: finish }],
		usage });
}

async function answerGenerated(kind, body, reply, signal) {
	const answer = body.stream ? answerStream
		: alternatives(body) > 0 ? answerLikeliest : answerWhole;
	await answer(kind, body, reply, signal);
}

function unit(vector) {
	const length = Math.hypot(...vector) || 1;
	return vector.map((one) => one / length);
}

async function answerEmbeddings(body, reply) {
	const inputs = [].concat(body.input);
	if (inputs.length === 0 || inputs.some((one) => typeof one !== "string"))
		throw new BadRequest("input must be a string or an array of them");
	embedding ??= await model.createEmbeddingContext({ contextSize });

	const data = [];
	let tokens = 0;
	for (const [index, input] of inputs.entries()) {
		tokens += model.tokenize(input).length;
		const vector = unit([...(await embedding
			.getEmbeddingFor(input)).vector]);
		data.push({ object: "embedding", index,
			embedding: body.encoding_format === "base64"
				? Buffer.from(Float32Array.from(vector).buffer)
					.toString("base64")
				: vector });
	}
	sendJson(reply, 200, { object: "list", data,
		model: body.model ?? options.name,
		usage: { prompt_tokens: tokens, total_tokens: tokens } });
}

function sendJson(reply, status, value) {
	const bytes = Buffer.from(JSON.stringify(value));
	reply.writeHead(status, { "content-type": "application/json",
		"content-length": bytes.length });
	reply.end(bytes);
}

function sendError(reply, status, message) {
	if (reply.headersSent) {
		reply.destroy();
		return;
	}
	sendJson(reply, status, { error: { message,
		type: status < 500 ? "invalid_request_error" : "server_error",
		code: null, param: null } });
}

async function readBody(request) {
	const parts = [];
	let bytes = 0;
	for await (const part of request) {
		bytes += part.length;
		if (bytes > MOST_BODY_BYTES)
			throw new BadRequest("the body is too large");
		parts.push(part);
	}
	return Buffer.concat(parts).toString("utf8");
}

function note(request, body) {
	if (!options.received)
		return;
	fs.appendFileSync(options.received, `${JSON.stringify({
		method: request.method, path: request.url,
		headers: request.headers, body })}\n`);
}

const GET = {
	"/health": () => ({ status: "ok" }),
	"/props": () => ({ model_path: path.resolve(options.model),
		total_slots: sequences,
		default_generation_settings: { n_ctx: contextSize } }),
	"/v1/models": () => ({ object: "list", data: [{ id: options.name,
		object: "model", created: 0, owned_by: "local" }] }),
};
const POST = {
	"/v1/chat/completions": (body, reply, signal) =>
		answerGenerated(CHAT, body, reply, signal),
	"/v1/completions": (body, reply, signal) =>
		answerGenerated(COMPLETION, body, reply, signal),
	"/v1/embeddings": answerEmbeddings,
};

async function serve(request, reply) {
	const where = request.url.split("?")[0];
	if (request.method === "GET" && Object.hasOwn(GET, where)) {
		sendJson(reply, 200, GET[where]());
		return;
	}
	if (request.method !== "POST" || !Object.hasOwn(POST, where)) {
		sendError(reply, 404, `${request.method} ${where}: not served`);
		return;
	}
	const text = await readBody(request);
	note(request, text);
	let body;
	try {
		body = JSON.parse(text);
	} catch {
		throw new BadRequest("the body is not JSON");
	}
	const left = new AbortController();
	reply.on("close", () => left.abort());
	await POST[where](body, reply, left.signal);
}

const server = http.createServer((request, reply) => {
	serve(request, reply).catch((error) => {
		if (reply.destroyed)
			return;
		sendError(reply, error instanceof BadRequest ? 400 : 500,
			error.message);
	});
});

server.listen(Number(options.port), "127.0.0.1", () => {
	console.log(`listening ${server.address().port}`);
});
for (const signal of ["SIGTERM", "SIGINT"])
	process.on(signal, () => process.exit(0));
