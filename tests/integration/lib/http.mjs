// SPDX-License-Identifier: Apache-2.0
// A plain HTTP client for the tests: one request, the whole answer, no retries,
// no redirects, no headers that the test did not ask for.
import http from "node:http";
import https from "node:https";
import { within } from "./wait.mjs";

function send(url, { method, headers, body, agent, ...tls }) {
	const target = new URL(url);
	const { request } = target.protocol === "https:" ? https : http;
	return new Promise((resolve, reject) => {
		const sent = request(target, { method, headers,
			agent: agent ?? false, ...tls }, resolve);
		sent.once("error", reject);
		sent.end(body);
	});
}

function prepared({ key, json, headers = {}, body, method, ...rest }) {
	const all = { ...headers };
	if (key)
		all.authorization = `Bearer ${key}`;
	if (json !== undefined) {
		all["content-type"] ??= "application/json";
		body = JSON.stringify(json);
	}
	if (body !== undefined)
		all["content-length"] ??= Buffer.byteLength(body);
	return { method: method ?? (body === undefined ? "GET" : "POST"),
		headers: all, body, ...rest };
}

// The answer as it begins, with its body still to come as a stream.
export async function open(url, options = {}) {
	return within(`an answer of ${url}`, send(url, prepared(options)),
		options.patienceMs);
}

export async function call(url, options = {}) {
	const answer = await open(url, options);
	const parts = [];
	const text = await within(`the end of the answer of ${url}`, (async () => {
		for await (const part of answer)
			parts.push(part);
		return Buffer.concat(parts).toString();
	})(), options.patienceMs);
	let json;
	try {
		json = JSON.parse(text);
	} catch {
		json = undefined;
	}
	return { status: answer.statusCode, headers: answer.headers, text, json,
		bytes: Buffer.concat(parts), code: json?.error?.code };
}

// Server-sent events of a text, as {event, data}; comments are left out.
export function events(text) {
	return text.split(/\r?\n\r?\n/).filter((one) => one.trim() !== "")
		.map((one) => {
			const fields = {};
			for (const line of one.split(/\r?\n/)) {
				const at = line.indexOf(":");
				if (at > 0)
					fields[line.slice(0, at)] = line.slice(at + 1).trim();
			}
			return fields;
		})
		.filter((one) => one.data !== undefined);
}
