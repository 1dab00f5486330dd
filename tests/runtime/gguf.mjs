// SPDX-License-Identifier: Apache-2.0
// Writes GGUF version 3, the file format of llama.cpp: typed metadata, then
// tensor descriptions, then the tensors at 32-byte boundaries. It knows the
// format and nothing of what the tensors mean.

const ALIGNMENT = 32;
const UINT32 = 4, INT32 = 5, FLOAT32 = 6, BOOL = 7, STRING = 8, ARRAY = 9;
const TENSOR_F32 = 0, TENSOR_F16 = 1;

function u32(value) {
	const bytes = Buffer.alloc(4);
	bytes.writeUInt32LE(value);
	return bytes;
}

function u64(value) {
	const bytes = Buffer.alloc(8);
	bytes.writeBigUInt64LE(BigInt(value));
	return bytes;
}

function f32(value) {
	const bytes = Buffer.alloc(4);
	bytes.writeFloatLE(value);
	return bytes;
}

function text(value) {
	const bytes = Buffer.from(value, "utf8");
	return Buffer.concat([u64(bytes.length), bytes]);
}

function padded(bytes) {
	const rest = bytes.length % ALIGNMENT;
	return rest === 0 ? bytes
		: Buffer.concat([bytes, Buffer.alloc(ALIGNMENT - rest)]);
}

// The IEEE 754 half nearest below x in magnitude; too small becomes zero.
export function half(x) {
	const bits = new Uint32Array(new Float32Array([x]).buffer)[0];
	const sign = (bits >>> 16) & 0x8000;
	const exponent = ((bits >>> 23) & 255) - 112;
	if (x === 0 || exponent <= 0)
		return sign;
	if (exponent >= 31)
		return sign | 0x7c00;
	return sign | (exponent << 10) | ((bits >>> 13) & 0x3ff);
}

export class Gguf {
	#metadata = [];
	#tensors = [];

	#put(key, type, value) {
		this.#metadata.push(Buffer.concat([text(key), u32(type), value]));
		return this;
	}

	string(key, value) { return this.#put(key, STRING, text(value)); }
	uint(key, value) { return this.#put(key, UINT32, u32(value)); }
	float(key, value) { return this.#put(key, FLOAT32, f32(value)); }

	bool(key, value) {
		return this.#put(key, BOOL, Buffer.from([value ? 1 : 0]));
	}

	#array(key, type, values, encode) {
		return this.#put(key, ARRAY, Buffer.concat([
			u32(type), u64(values.length), ...values.map(encode)]));
	}

	strings(key, values) { return this.#array(key, STRING, values, text); }
	ints(key, values) { return this.#array(key, INT32, values, u32); }
	floats(key, values) { return this.#array(key, FLOAT32, values, f32); }

	vector(name, values) {
		this.#tensors.push({ name, type: TENSOR_F32, shape: [values.length],
			bytes: Buffer.from(Float32Array.from(values).buffer) });
		return this;
	}

	// A matrix of `rows` by `columns` halves, zero except where fill says.
	matrix(name, rows, columns, fill = () => {}) {
		const cells = new Uint16Array(rows * columns);
		fill((row, column, value) => {
			cells[row * columns + column] = half(value);
		});
		this.#tensors.push({ name, type: TENSOR_F16,
			shape: [columns, rows], bytes: Buffer.from(cells.buffer) });
		return this;
	}

	// A matrix whose bytes are made elsewhere, of any of the format's types.
	tensor(name, type, rows, columns, bytes) {
		this.#tensors.push({ name, type, shape: [columns, rows], bytes });
		return this;
	}

	bytes() {
		let offset = 0;
		const described = this.#tensors.map((tensor) => {
			const at = offset;
			offset += padded(tensor.bytes).length;
			return Buffer.concat([text(tensor.name),
				u32(tensor.shape.length), ...tensor.shape.map(u64),
				u32(tensor.type), u64(at)]);
		});
		const head = Buffer.concat([Buffer.from("GGUF"), u32(3),
			u64(this.#tensors.length), u64(this.#metadata.length),
			...this.#metadata, ...described]);
		return Buffer.concat([padded(head),
			...this.#tensors.map((tensor) => padded(tensor.bytes))]);
	}
}
