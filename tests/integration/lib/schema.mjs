// Messages against the JSON schema that MCP publishes for each revision (tests/data/mcp-schema).

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { top } from './raw.mjs';

const REVISIONS = ['2024-11-05', '2025-03-26', '2025-06-18', '2025-11-25', '2026-07-28'];

// What can be asked for more input (2026-07-28, "Multi Round-Trip Requests").
const MAY_NEED_INPUT = ['tools/call', 'prompts/get', 'resources/read'];

// Kinds of content that came with a later revision pass to an older client as they are, unknown to its schema.
const CONTENT_SINCE = { text: '2024-11-05', image: '2024-11-05', resource: '2024-11-05', audio: '2025-03-26',
	resource_link: '2025-06-18' };

class Schema {
	static #all = new Map();

	// The schema of REVISION; undefined if there is none.
	static of(revision) {
		if (!REVISIONS.includes(revision)) return undefined;
		if (!this.#all.has(revision)) this.#all.set(revision, new Schema(revision));
		return this.#all.get(revision);
	}

	constructor(revision) {
		const json = JSON.parse(readFileSync(join(top, 'tests/data/mcp-schema', `${revision}.json`), 'utf8'));
		this.revision = revision;
		this.keyword = json.$defs ? '$defs' : 'definitions';
		this.definitions = json[this.keyword];
		const Kind = json.$defs ? Ajv2020 : Ajv;
		this.ajv = new Kind({ strict: false, validateFormats: true });
		addFormats.default(this.ajv);
		this.ajv.addSchema(json, revision);
		this.methods = { client: this.#methods('Client'), server: this.#methods('Server') };
		// Errors that have members of their own, by their code.
		this.errors = new Map(Object.entries(this.definitions).flatMap(([name, { properties }]) =>
			(properties?.error?.allOf ?? []).flatMap(part => part.properties?.code ? [[part.properties.code.const, name]] : [])));
	}

	// What one side may ask or say: method → definition.
	#methods(side) {
		const found = { request: new Map(), notification: new Map() };
		for (const [kind, union] of [['request', `${side}Request`], ['notification', `${side}Notification`]]) {
			const parts = this.definitions[union]?.anyOf?.map(part => part.$ref.split('/').at(-1)) ??
				(this.definitions[union] ? [union] : []);
			for (const name of parts) found[kind].set(this.definitions[name].properties.method.const, name);
		}
		return found;
	}

	has(name) {
		return name in this.definitions;
	}

	// What is wrong with VALUE as a NAME, as an array of texts.
	faults(name, value) {
		const validate = this.ajv.getSchema(`${this.revision}#/${this.keyword}/${name}`);
		if (validate(value)) return [];
		// Of an anyOf's branches none fits; the deepest complaint is the one that says most.
		const errors = validate.errors.toSorted((a, b) => b.instancePath.length - a.instancePath.length);
		return [`no ${name}: ` + errors.slice(0, 2).map(e => `${e.instancePath || '/'} ${e.message}`).join('; ')];
	}

	envelope(kind) {
		const names = { request: ['JSONRPCRequest'], notification: ['JSONRPCNotification'],
			result: ['JSONRPCResultResponse', 'JSONRPCResponse'], error: ['JSONRPCErrorResponse', 'JSONRPCError'] }[kind];
		return names.find(name => this.has(name));
	}
}

export function kindOf(message) {
	if (message?.method !== undefined) return message.id === undefined ? 'notification' : 'request';
	return message?.error === undefined ? 'result' : 'error';
}

// What is wrong with MESSAGE of side FROM (client or server) in REVISION, as an array of texts. An answer is judged
// by METHOD, that of its request.
export function faultsOf(message, { from, revision, method = message.method }) {
	const schema = Schema.of(revision);
	if (!schema) return [`no revision: ${revision}`];
	const kind = kindOf(message);
	// Where no id can be told, JSON-RPC has null and these schemas have none.
	const framed = kind === 'error' && message.id === null ? { ...message, id: 0 } : message;
	const faults = schema.faults(schema.envelope(kind), framed);
	if (kind === 'result') faults.push(...resultFaults(schema, message.result, method));
	else if (kind === 'error') {
		const known = schema.errors.get(message.error?.code);
		if (known) faults.push(...schema.faults(known, framed));
	} else {
		const name = schema.methods[from][kind].get(method);
		faults.push(...name ? schema.faults(name, message) : [`a ${from}'s ${kind} that this revision does not have`]);
	}
	return faults;
}

function resultFaults(schema, result, method) {
	const request = schema.methods.client.request.get(method) ?? schema.methods.server.request.get(method);
	if (!request) return [`a result of ${method}, which this revision does not have`];
	if (schema.has('InputRequiredResult') && result?.resultType === 'input_required') {
		if (!MAY_NEED_INPUT.includes(method)) return [`${method} must not need input`];
		if (!result.inputRequests && result.requestState === undefined) return ['neither inputRequests nor requestState'];
		return schema.faults('InputRequiredResult', result);
	}
	const name = request.replace(/Request$/, 'Result');
	return schema.faults(schema.has(name) ? name : 'EmptyResult', withoutLaterContent(result, schema.revision));
}

function withoutLaterContent(result, revision) {
	const known = block => !(CONTENT_SINCE[block?.type] > revision);
	if (Array.isArray(result?.content)) return { ...result, content: result.content.filter(known) };
	if (Array.isArray(result?.messages)) return { ...result, messages: result.messages.filter(m => known(m.content)) };
	return result;
}
