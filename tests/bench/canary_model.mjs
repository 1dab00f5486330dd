// SPDX-License-Identifier: Apache-2.0
// Makes a GGUF file of what bench_canary_train has written: a llama whose tokens
// are bytes. Weights are kept as halves, or rounded as llama.cpp rounds them to
// eight or four bits, 32 of a row sharing a scale.
import fs from "node:fs";
import { Gguf, half } from "../runtime/gguf.mjs";

const VOCABULARY = 272, HEAD = 32, CONTEXT = 2048, BLOCK = 32;
const F16 = 1, Q4_0 = 2, Q8_0 = 8;

function putHalf(bytes, at, x) {
	bytes.writeUInt16LE(half(x), at);
}

// What a half gives back, so that quotients are of the scale that is kept.
function unhalf(bits) {
	const exponent = (bits >> 10) & 31, rest = bits & 1023;
	const size = exponent === 0 ? rest * 2 ** -24
		: (1 + rest / 1024) * 2 ** (exponent - 15);
	return bits & 0x8000 ? -size : size;
}

function q8(cells) {
	const bytes = Buffer.alloc(cells.length / BLOCK * 34);
	for (let b = 0; b * BLOCK < cells.length; b++) {
		const block = cells.subarray(b * BLOCK, (b + 1) * BLOCK);
		const most = block.reduce((m, x) => Math.max(m, Math.abs(x)), 0);
		putHalf(bytes, b * 34, most / 127);
		const scale = unhalf(half(most / 127)) || 1;
		block.forEach((x, i) => bytes.writeInt8(Math.max(-127,
			Math.min(127, Math.round(x / scale))), b * 34 + 2 + i));
	}
	return bytes;
}

function q4(cells) {
	const bytes = Buffer.alloc(cells.length / BLOCK * 18);
	for (let b = 0; b * BLOCK < cells.length; b++) {
		const block = cells.subarray(b * BLOCK, (b + 1) * BLOCK);
		const far = block.reduce((m, x) =>
			Math.abs(x) > Math.abs(m) ? x : m, 0);
		putHalf(bytes, b * 18, far / -8);
		const scale = unhalf(half(far / -8)) || 1;
		const level = (x) => Math.max(0, Math.min(15,
			Math.floor(x / scale + 8.5)));
		for (let i = 0; i < 16; i++) {
			bytes[b * 18 + 2 + i] = level(block[i])
				| level(block[i + 16]) << 4;
		}
	}
	return bytes;
}

function f16(cells) {
	const bytes = Buffer.alloc(2 * cells.length);
	cells.forEach((x, i) => putHalf(bytes, 2 * i, x));
	return bytes;
}

const KINDS = { F16: [F16, f16], Q8_0: [Q8_0, q8], Q4_0: [Q4_0, q4] };

function vocabulary(gguf) {
	const tokens = ["<unk>", "<s>", "</s>"];
	for (let byte = 0; byte < 256; byte++)
		tokens.push(`<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`);
	tokens.push("▁");
	const types = tokens.map((_, i) => i === 0 ? 2 : i < 3 ? 3 : i < 259 ? 6 : 1);
	while (tokens.length < VOCABULARY) {
		tokens.push(`<pad${tokens.length}>`);
		types.push(5);
	}
	gguf.string("tokenizer.ggml.model", "llama")
		.strings("tokenizer.ggml.tokens", tokens)
		.floats("tokenizer.ggml.scores", tokens.map(() => 0))
		.ints("tokenizer.ggml.token_type", types)
		.uint("tokenizer.ggml.bos_token_id", 1)
		.uint("tokenizer.ggml.eos_token_id", 2)
		.uint("tokenizer.ggml.unknown_token_id", 0)
		.bool("tokenizer.ggml.add_bos_token", false)
		.bool("tokenizer.ggml.add_space_prefix", false);
}

function shape(gguf, name, layers, width) {
	gguf.string("general.architecture", "llama")
		.string("general.name", name)
		.uint("llama.context_length", CONTEXT)
		.uint("llama.embedding_length", width)
		.uint("llama.block_count", layers)
		.uint("llama.feed_forward_length", 2 * width)
		.uint("llama.attention.head_count", width / HEAD)
		.uint("llama.attention.head_count_kv", width / HEAD)
		.float("llama.attention.layer_norm_rms_epsilon", 1e-5)
		.uint("llama.rope.dimension_count", HEAD)
		.uint("llama.vocab_size", VOCABULARY);
}

// The weights stand a row for each input; llama.cpp has one for each output.
export function writeModel(weights, { name, layers, width, kind }, out) {
	const raw = fs.readFileSync(weights);
	const all = new Float32Array(raw.buffer.slice(raw.byteOffset,
		raw.byteOffset + raw.length));
	const [type, encode] = KINDS[kind];
	const gguf = new Gguf();
	let at = 0;
	const take = (count) => all.subarray(at, at += count);
	const vector = (name, count) => gguf.vector(name, take(count));
	const matrix = (name, inputs, outputs) => {
		const from = take(inputs * outputs);
		const cells = new Float32Array(inputs * outputs);
		for (let i = 0; i < inputs; i++)
			for (let o = 0; o < outputs; o++)
				cells[o * inputs + i] = from[i * outputs + o];
		gguf.tensor(name, type, outputs, inputs, encode(cells));
	};

	shape(gguf, name, layers, width);
	vocabulary(gguf);
	gguf.tensor("token_embd.weight", F16, VOCABULARY, width,
		f16(take(VOCABULARY * width)));
	for (let i = 0; i < layers; i++) {
		vector(`blk.${i}.attn_norm.weight`, width);
		matrix(`blk.${i}.attn_q.weight`, width, width);
		matrix(`blk.${i}.attn_k.weight`, width, width);
		matrix(`blk.${i}.attn_v.weight`, width, width);
		matrix(`blk.${i}.attn_output.weight`, width, width);
		vector(`blk.${i}.ffn_norm.weight`, width);
		matrix(`blk.${i}.ffn_gate.weight`, width, 2 * width);
		matrix(`blk.${i}.ffn_up.weight`, width, 2 * width);
		matrix(`blk.${i}.ffn_down.weight`, 2 * width, width);
	}
	vector("output_norm.weight", width);
	matrix("output.weight", width, VOCABULARY);
	if (at !== all.length)
		throw new Error(`${weights}: ${all.length} weights, not ${at}`);
	fs.writeFileSync(out, gguf.bytes());
}
