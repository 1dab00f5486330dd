// SPDX-License-Identifier: Apache-2.0
// Writes a small language model as a real GGUF file of the llama architecture:
//
//     node make-model.mjs NAME OUT.gguf TEXT...
//
// The weights are the bigram statistics of the texts: a one-hot embedding, a
// layer that adds nothing, and an output matrix of log counts. llama.cpp loads
// it like any other model, and what it writes reads like the texts. The same
// texts give the same bytes, so the file's hash is reproducible.
import fs from "node:fs";
import path from "node:path";
import { Gguf } from "./gguf.mjs";

const MOST_WORDS = 320;
const HEAD_WIDTH = 32;
const NEVER = -20;

// Prose only: no code, tables, markup or addresses; sentences of words.
function sentences(markdown) {
	const prose = markdown
		.replace(/```[\s\S]*?```/g, " ")
		.replace(/^(\s*[|#>].*)$/gm, " ")
		.replace(/`[^`]*`/g, " it ")
		.replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
		.replace(/https?:\S+/g, " ")
		.replace(/\n\s*\n/g, " . ")
		.toLowerCase();
	return prose.split(/[.!?:;]+(?=\s|$)/)
		.map((one) => one.match(/[a-z]+(?:['-][a-z]+)*|,/g) ?? [])
		.map((words) => words.filter((word, i) =>
			word !== "," || (i > 0 && words[i - 1] !== ",")))
		.filter((words) => words.length >= 4)
		.map((words) => [...words, "."]);
}

// Whole sentences until the vocabulary is full, so that every bigram is one
// that the texts really have.
function corpus(files) {
	const known = new Set(), chosen = [];
	for (const file of files) {
		for (const one of sentences(fs.readFileSync(file, "utf8"))) {
			const fresh = one.filter((word) => !known.has(word));
			if (known.size + new Set(fresh).size > MOST_WORDS)
				continue;
			fresh.forEach((word) => known.add(word));
			chosen.push(one);
		}
	}
	if (chosen.length === 0)
		throw new Error(`no sentences in ${files.join(", ")}`);
	return { words: [...known], chosen };
}

// SentencePiece tokens: control, bytes, words. Its merges grow a word from the
// left one character at a time, so each prefix of each word is a token too.
function vocabulary(words) {
	const tokens = [], seen = new Map();
	const add = (token, type, score) => {
		if (seen.has(token))
			return;
		seen.set(token, tokens.length);
		tokens.push({ token, type, score });
	};

	add("<unk>", 2, 0);
	add("<s>", 3, 0);
	add("</s>", 3, 0);
	for (let byte = 0; byte < 256; byte++)
		add(`<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`, 6, 0);
	add("▁", 1, -1e3);
	words.forEach((word, i) => add(`▁${word}`, 1, -i));
	for (const word of words) {
		for (let end = 1; end <= word.length; end++) {
			add(`▁${word.slice(0, end)}`, 1, -1e4);
			add(word[end - 1], 1, -1e4);
		}
	}
	while (tokens.length % HEAD_WIDTH !== 0)
		add(`<pad${tokens.length}>`, 5, -1e6);
	return { tokens, id: (word) => seen.get(`▁${word}`) };
}

function followers(chosen, id) {
	const counts = new Map();
	const count = (from, to) => {
		if (!counts.has(from))
			counts.set(from, new Map());
		const row = counts.get(from);
		row.set(to, (row.get(to) ?? 0) + 1);
	};
	for (const one of chosen) {
		count(id("."), id(one[0]));
		for (let i = 0; i + 1 < one.length; i++)
			count(id(one[i]), id(one[i + 1]));
	}
	return counts;
}

function model(name, files) {
	const { words, chosen } = corpus(files);
	const { tokens, id } = vocabulary(words);
	const counts = followers(chosen, id);
	const opening = counts.get(id("."));
	const width = tokens.length;
	const gguf = new Gguf();

	gguf.string("general.architecture", "llama")
		.string("general.name", name)
		.uint("general.file_type", 1)
		.uint("llama.context_length", 8192)
		.uint("llama.embedding_length", width)
		.uint("llama.block_count", 1)
		.uint("llama.feed_forward_length", HEAD_WIDTH)
		.uint("llama.attention.head_count", 1)
		.uint("llama.attention.head_count_kv", 1)
		.uint("llama.attention.key_length", HEAD_WIDTH)
		.uint("llama.attention.value_length", HEAD_WIDTH)
		.float("llama.attention.layer_norm_rms_epsilon", 1e-6)
		.uint("llama.rope.dimension_count", HEAD_WIDTH)
		.uint("llama.pooling_type", 1)
		.uint("llama.vocab_size", width)
		.string("tokenizer.ggml.model", "llama")
		.strings("tokenizer.ggml.tokens", tokens.map((t) => t.token))
		.floats("tokenizer.ggml.scores", tokens.map((t) => t.score))
		.ints("tokenizer.ggml.token_type", tokens.map((t) => t.type))
		.uint("tokenizer.ggml.bos_token_id", 1)
		.uint("tokenizer.ggml.eos_token_id", 2)
		.uint("tokenizer.ggml.unknown_token_id", 0)
		.bool("tokenizer.ggml.add_bos_token", true)
		.bool("tokenizer.ggml.add_space_prefix", true)
		.string("tokenizer.chat_template",
			"{% for m in messages %}{{ m['content'] }} . {% endfor %}");

	gguf.matrix("token_embd.weight", width, width, (set) => {
		for (let i = 0; i < width; i++)
			set(i, i, 1);
	});
	gguf.vector("output_norm.weight",
		new Array(width).fill(1 / Math.sqrt(width)));
	gguf.matrix("output.weight", width, width, (set) => {
		for (let from = 0; from < width; from++) {
			const row = counts.get(from) ?? opening;
			for (let to = 0; to < width; to++) {
				const seen = row.get(to);
				set(to, from, seen ? 1 + Math.log(seen) : NEVER);
			}
		}
	});
	gguf.vector("blk.0.attn_norm.weight", new Array(width).fill(1))
		.matrix("blk.0.attn_q.weight", HEAD_WIDTH, width)
		.matrix("blk.0.attn_k.weight", HEAD_WIDTH, width)
		.matrix("blk.0.attn_v.weight", HEAD_WIDTH, width)
		.matrix("blk.0.attn_output.weight", width, HEAD_WIDTH)
		.vector("blk.0.ffn_norm.weight", new Array(width).fill(1))
		.matrix("blk.0.ffn_gate.weight", HEAD_WIDTH, width)
		.matrix("blk.0.ffn_up.weight", HEAD_WIDTH, width)
		.matrix("blk.0.ffn_down.weight", width, HEAD_WIDTH);
	return { bytes: gguf.bytes(), words: words.length,
		sentences: chosen.length };
}

const [name, out, ...files] = process.argv.slice(2);
if (files.length === 0) {
	console.error("usage: make-model.mjs NAME OUT.gguf TEXT...");
	process.exit(2);
}
const made = model(name, files);
const partial = `${out}.partial`;
fs.mkdirSync(path.dirname(path.resolve(out)), { recursive: true });
fs.writeFileSync(partial, made.bytes);
fs.renameSync(partial, out);
console.log(`${out}: ${made.words} words of ${made.sentences} sentences, `
	+ `${made.bytes.length} bytes`);
