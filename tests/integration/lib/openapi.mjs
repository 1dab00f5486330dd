// SPDX-License-Identifier: Apache-2.0
// The contract (docs/openapi.yaml) as a test can hold answers against it: a
// reader for the plain YAML that the file is written in, and the part of JSON
// Schema 2020-12 that it uses. Both throw on what they do not know.
import assert from "node:assert/strict";

function scalar(text) {
	if (/^(true|false|null|-?\d+(\.\d+)?)$/.test(text))
		return JSON.parse(text);
	if (text.startsWith("'"))
		return text.slice(1, -1).replaceAll("''", "'");
	return text;
}

// Flow style: {a: b, c: [d]}; gives the value and what follows it.
function flow(text) {
	const rest = text.trimStart();

	if (rest[0] === "{" || rest[0] === "[") {
		const isMap = rest[0] === "{";
		const out = isMap ? {} : [];
		let left = rest.slice(1).trimStart();

		while (left[0] !== (isMap ? "}" : "]")) {
			let key, value;
			if (isMap) {
				[, key, left] = /^('[^']*'|[^:]+):\s*([^]*)$/
					.exec(left);
			}
			[value, left] = flow(left);
			if (isMap)
				out[scalar(key.trim())] = value;
			else
				out.push(value);
			left = left.trimStart().replace(/^,\s*/, "");
			assert.notEqual(left, "", `unended: ${text}`);
		}
		return [out, left.slice(1)];
	}
	const [, word, left] = /^('(?:[^']|'')*'|[^,\]}]*)([^]*)$/.exec(rest);
	return [scalar(word.trim()), left];
}

export function readYaml(source) {
	const anchors = {};
	const lines = source.split("\n")
		.filter((line) => line.trim() !== "" && !/^\s*#/.test(line))
		.map((line) => ({ depth: line.search(/\S/), text: line.trim() }));
	let at = 0;

	function value(text, depth) {
		const anchor = /^&(\w+)\s*/.exec(text);
		if (anchor) {
			const made = value(text.slice(anchor[0].length), depth);
			anchors[anchor[1]] = made;
			return made;
		}
		if (text.startsWith("*"))
			return anchors[text.slice(1)];
		if (text === ">-") {
			const parts = [];
			while (at < lines.length && lines[at].depth > depth)
				parts.push(lines[at++].text);
			return parts.join(" ");
		}
		if (text !== "")
			return /^[{[]/.test(text) ? flow(text)[0] : scalar(text);
		return at < lines.length && lines[at].depth > depth
			? block(lines[at].depth) : null;
	}

	function block(depth) {
		const isList = lines[at].text.startsWith("- ");
		const out = isList ? [] : {};

		while (at < lines.length && lines[at].depth === depth) {
			const { text } = lines[at];
			assert.equal(text.startsWith("- "), isList, text);
			if (isList) {
				const item = text.slice(2);
				if (/^[\w$'/-]+:( |$)/.test(item)) {
					lines[at] = { depth: depth + 2, text: item };
					out.push(block(depth + 2));
				} else {
					at++;
					out.push(value(item, depth));
				}
				continue;
			}
			const [, key, rest] = /^('[^']*'|[^\s:][^:]*):\s*(.*)$/
				.exec(text);
			at++;
			out[scalar(key)] = value(rest, depth);
		}
		return out;
	}

	const made = block(0);
	assert.equal(at, lines.length, `not understood: ${lines[at]?.text}`);
	return made;
}

const KNOWN = new Set(["$ref", "additionalProperties", "const", "contentMediaType",
	"default", "description", "enum", "examples", "format", "items",
	"maxItems", "maxLength", "maximum", "minLength", "minimum", "oneOf",
	"pattern", "properties", "required", "type"]);

function typeOf(value) {
	if (value === null)
		return "null";
	if (Array.isArray(value))
		return "array";
	return Number.isInteger(value) ? "integer" : typeof value;
}

export class Contract {
	constructor(source) { this.root = readYaml(source); }

	resolve(node) {
		while (node?.$ref) {
			node = node.$ref.slice(2).split("/")
				.reduce((one, part) => one[part], this.root);
		}
		return node;
	}

	// What is wrong with the value, as sentences.
	faults(schema, value, where = "$") {
		const s = this.resolve(schema);
		const out = [];

		for (const key of Object.keys(s))
			assert.ok(KNOWN.has(key), `schema keyword ${key}`);
		if (s.oneOf) {
			const fits = s.oneOf.filter((one) =>
				this.faults(one, value, where).length === 0);
			return fits.length === 1 ? [] : [`${where}: fits ${
				fits.length} of oneOf: ${JSON.stringify(value)}`];
		}
		const type = typeOf(value);
		const types = s.type === undefined ? [type] : [s.type].flat();
		if (!types.includes(type)
			&& !(type === "integer" && types.includes("number")))
			return [`${where}: ${type}, not ${types}`];
		if ("const" in s && s.const !== value)
			out.push(`${where}: ${value}, not ${s.const}`);
		if (s.enum && !s.enum.includes(value))
			out.push(`${where}: ${value} is not one of ${s.enum}`);
		if (type === "string" && s.pattern
			&& !new RegExp(s.pattern, "u").test(value))
			out.push(`${where}: ${value} is not /${s.pattern}/`);
		if (type === "string" && s.format === "uuid"
			&& !/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(value))
			out.push(`${where}: ${value} is no UUID`);
		if (type === "string" && s.format === "date-time"
			&& !/^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(value))
			out.push(`${where}: ${value} is no time`);
		if (type === "array" && s.items) {
			value.forEach((one, i) => out.push(
				...this.faults(s.items, one, `${where}[${i}]`)));
		}
		if (type === "object")
			out.push(...this.#members(s, value, where));
		return out;
	}

	#members(s, value, where) {
		const out = [];

		for (const name of s.required ?? []) {
			if (!(name in value))
				out.push(`${where}.${name} is missing`);
		}
		for (const [name, one] of Object.entries(value)) {
			const rule = s.properties?.[name] ?? s.additionalProperties;
			if (rule === false)
				out.push(`${where}.${name} is not in the contract`);
			else if (rule !== undefined && rule !== true)
				out.push(...this.faults(rule, one, `${where}.${name}`));
		}
		return out;
	}

	// Holds an answer against its operation: status, fields, body.
	hold(method, path, answer) {
		const operation = this.root.paths[path]?.[method];
		assert.ok(operation, `${method} ${path} is not in the contract`);
		const response = this.resolve(
			operation.responses[`${answer.status}`]);
		assert.ok(response, `${method} ${path}: ${answer.status} is not in `
			+ `the contract: ${answer.text}`);
		for (const [name, header] of Object.entries(response.headers ?? {})) {
			const text = answer.headers[name];
			if (text === undefined)
				continue;
			const { schema } = this.resolve(header);
			const value = this.resolve(schema).type === "integer"
				? Number(text) : text;
			assert.deepEqual(this.faults(schema, value, name), []);
		}
		const type = answer.headers["content-type"]?.split(";")[0];
		const schema = response.content?.[type]?.schema;
		if (schema && type === "application/json")
			assert.deepEqual(this.faults(schema, answer.json), []);
	}
}
