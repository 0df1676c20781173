// The client that the official conformance suite tests: an IDE in front of mcp-mux. The suite starts it as
// `adapter.mjs URL` and says by MCP_CONFORMANCE_… which scenario this is and what revision it wants to see. Where
// the scenario is about authorization, a person at this desk signs in first, as people do: `mcp-mux connect`. What is
// not as it should be goes to stderr; CONFORMANCE_GATE is the port where it waits for its turn.

import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { Desk } from '../integration/lib/desk.mjs';
import { MODERN } from '../integration/lib/raw.mjs';

const url = process.argv.at(-1);
const scenario = process.env.MCP_CONFORMANCE_SCENARIO;
const version = process.env.MCP_CONFORMANCE_PROTOCOL_VERSION;
const context = JSON.parse(process.env.MCP_CONFORMANCE_CONTEXT ?? '{}');
const modern = version === MODERN;
const capabilities = { elicitation: modern ? { form: {} } : {} };
const NAME = 'suite';
const CALL_MS = 40_000; // above list_timeout, which a machine under load may need

// The suite fixes this client ID metadata document; nobody fetches it.
const DOCUMENT = 'https://conformance-test.local/client-metadata.json';

function configuration() {
	const lines = [`url = ${url}`];
	if (!scenario.startsWith('auth/')) lines.push('auth = none');
	else if (scenario.startsWith('auth/client-credentials')) lines.push('auth = client-credentials');
	else lines.push('auth = oauth');
	if (context.client_id) lines.push(`client_id = ${context.client_id}`);
	if (scenario === 'auth/basic-cimd') lines.push(`client_metadata_url = ${DOCUMENT}`);
	return ['[mux]', 'sign_in = browser', 'list_timeout = 30', `[connector:${NAME}]`, ...lines, ''].join('\n');
}

// --- the IDE ---

class Ide {
	static async open(desk) {
		const ide = new Ide();
		ide.mux = desk.serve({ args: ['--log-level', 'info'] });
		if (modern) {
			const { error } = await ide.ask('server/discover');
			assert.equal(error, undefined);
		} else {
			await ide.mux.initialize(version, capabilities);
			ide.answerRequests();
		}
		return ide;
	}

	ask(method, params = {}) {
		const options = { ms: CALL_MS };
		return modern ? this.mux.modern(method, params, { capabilities, ...options }) : this.mux.request(method, params, options);
	}

	// What a server asks an IDE of a handshake revision.
	async answerRequests() {
		for (let from = 0; ; from++) {
			const request = await this.mux.wait(m => m.method === 'elicitation/create' && 'id' in m, 'a request',
				{ ms: 24 * 3600 * 1000, from }).catch(() => undefined); // the end of the process
			if (!request) return;
			from = this.mux.messages.indexOf(request);
			const { id, params } = request.json;
			this.mux.send({ jsonrpc: '2.0', id, result: respond({ params }) });
		}
	}

	// The suite's tools, under the names that it gave them.
	async list() {
		const { result } = await this.ask('tools/list');
		return result.tools.filter(({ name }) => name.startsWith(`${NAME}__`))
			.map(tool => ({ ...tool, name: tool.name.slice(NAME.length + 2) }));
	}

	// A call and the rounds that it takes; BETWEEN is done before each further round.
	async call(name, args = {}, { between } = {}) {
		const params = { name: `${NAME}__${name}`, arguments: args };
		let { result, error } = await this.ask('tools/call', params);
		for (let round = 0; result?.resultType === 'input_required' && round < 5; round++) {
			await between?.();
			const inputResponses = Object.fromEntries(Object.entries(result.inputRequests ?? {}).map(([key, request]) =>
				[key, respond(request)]));
			const { requestState } = result;
			({ result, error } = await this.ask('tools/call', { ...params, inputResponses, ...(requestState !== undefined && { requestState }) }));
		}
		return { result, error };
	}
}

// An answer to an elicitation that leaves everything at its default.
function respond({ params }) {
	const properties = Object.entries(params.requestedSchema?.properties ?? {});
	const content = Object.fromEntries(properties.map(([key, schema]) => [key, schema.default ?? sample(schema)]));
	return { action: 'accept', content };
}

function sample(schema = {}) {
	switch ([schema.type].flat()[0]) {
	case 'number': case 'integer': return 3;
	case 'boolean': return true;
	case 'array': return [];
	case 'object': return {};
	default: return 'text';
	}
}

const samples = ({ properties = {}, required = [] }) => Object.fromEntries(required.map(name => [name, sample(properties[name])]));

// --- what each scenario wants done ---

const acts = {
	'http-custom-headers': async ide => {
		for (const { name, arguments: args } of context.toolCalls) await ide.call(name, args);
	},
	'json-schema-2020-12-preservation': async (ide, tools) => {
		const focal = tools.find(({ name }) => name === 'json_schema_2020_12_tool');
		await ide.call('json_schema_echo', { schema: focal.inputSchema });
	},
	'json-schema-ref-no-deref': async () => {}, // the list is all that it serves
	'sep-2322-client-request-state': async ide => {
		await ide.call('test_mrtr_echo_state', {}, { between: () => ide.call('test_mrtr_unrelated') });
		await ide.call('test_mrtr_no_state');
		await ide.call('test_mrtr_no_result_type');
	},
	// Every tool that is shown is called.
	default: async (ide, tools) => {
		for (const { name, inputSchema } of tools) {
			const { result, error } = await ide.call(name, samples(inputSchema));
			if (error || result.isError) throw new Error(`${name}: ${JSON.stringify(error ?? result)}`);
		}
	},
};

// Servers that nobody may sign in to.
const refused = ['auth/resource-mismatch', 'auth/iss-supported-missing', 'auth/iss-wrong-issuer', 'auth/iss-unexpected',
	'auth/iss-normalized', 'auth/metadata-issuer-mismatch'];

// Sign-ins that are not enough for what connect looks at then: no scope ever is, and one that is taken back at once.
const poor = ['auth/scope-retry-limit', 'auth/authorization-server-migration'];

async function signIn(desk) {
	const secret = context.client_secret ?? context.private_key_pem;
	const args = ['connect', NAME, ...(secret ? ['--key-stdin'] : [])];
	const done = await desk.run(args, { input: secret ?? '' });
	if (refused.includes(scenario)) assert.equal(done.status, 1, `connect: ${done.stdout}${done.stderr}`);
	else if (!poor.includes(scenario)) assert.equal(done.status, 0, `connect: ${done.stdout}${done.stderr}`);
}

async function main(t) {
	const desk = await Desk.start(t, configuration());
	if (scenario.startsWith('auth/')) await signIn(desk);
	if (refused.includes(scenario)) return;
	const ide = await Ide.open(desk);
	let tools = await ide.list();
	if (!tools.length && scenario.startsWith('auth/')) {
		// What a model does that finds a connector signed out.
		await ide.ask('tools/call', { name: 'mcp_mux__connect', arguments: { name: NAME } });
		tools = await ide.list();
		assert.ok(tools.length || scenario === 'auth/scope-retry-limit', `no tools\n${ide.mux.stderr}`);
	}
	await (acts[scenario] ?? acts.default)(ide, tools);
}

// Fulfils when it is this client's turn, with what ends it.
async function turn() {
	if (!process.env.CONFORMANCE_GATE) return () => {};
	const socket = connect(process.env.CONFORMANCE_GATE, '127.0.0.1');
	await new Promise((resolve, reject) => socket.on('data', resolve).on('error', reject));
	return () => socket.destroy();
}

const after = [await turn()];
try {
	await main({ after: hook => after.push(hook) });
} catch (error) {
	console.error(error);
	process.exitCode = 1;
}
for (const hook of after.reverse())
	await hook();
