// The headers of 2026-07-28 that say again what the body says, checked as its page on Streamable HTTP wants it
// ("Server Validation").

export const VERSION_KEY = 'io.modelcontextprotocol/protocolVersion';

const NAMED_BY = { 'tools/call': 'name', 'prompts/get': 'name', 'resources/read': 'uri' };
const SENTINEL = /^=\?base64\?(.*)\?=$/;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const PLAIN = /^[\t\x20-\x7e]*$/;

// A header's value as its sender meant it; undefined where it is none.
function decoded(value) {
	if (!PLAIN.test(value)) return undefined;
	const [, base64] = SENTINEL.exec(value) ?? [];
	if (base64 === undefined) return value;
	return BASE64.test(base64) ? Buffer.from(base64, 'base64').toString() : undefined;
}

// Which properties of a tool's arguments are headers as well: [{ path, header }].
export function annotations(schema, path = []) {
	return Object.entries(schema?.properties ?? {}).flatMap(([key, property]) => {
		const [name, own] = [property?.['x-mcp-header'], [...path, key]];
		const deeper = annotations(property, own);
		return typeof name === 'string' ? [{ path: own, header: `mcp-param-${name.toLowerCase()}` }, ...deeper] : deeper;
	});
}

function matches(sent, value) {
	if (typeof value === 'number') return sent.trim() !== '' && Number(sent) === value;
	return sent === String(value);
}

function parameterProblem(headers, args, { path, header }) {
	const value = path.reduce((object, key) => object?.[key], args) ?? undefined;
	const sent = headers[header];
	if (value === undefined) return sent === undefined ? undefined : `${header} for a parameter that is not there`;
	if (sent === undefined) return `${header} is missing`;
	const meant = decoded(sent);
	if (meant === undefined) return `${header} is malformed`;
	return matches(meant, value) ? undefined : `${header} does not match the parameter ${path.join('.')}`;
}

function nameProblem(headers, { method, params }) {
	const name = params?.[NAMED_BY[method]];
	if (typeof name !== 'string') return undefined; // which the server itself complains of
	const sent = headers['mcp-name'];
	if (sent === undefined) return 'mcp-name is missing';
	return decoded(sent) === name ? undefined : `mcp-name does not match params.${NAMED_BY[method]}`;
}

// What is wrong with the HEADERS of MESSAGE, in words, or undefined. TOOL: its annotations, where it is a call.
export function headerProblem(headers, message, tool = []) {
	const version = headers['mcp-protocol-version'];
	if (version === undefined) return 'mcp-protocol-version is missing';
	const claimed = message.params?._meta?.[VERSION_KEY];
	if (claimed !== undefined && claimed !== version) return 'mcp-protocol-version does not match _meta';
	const method = headers['mcp-method'];
	if (method !== message.method) return method === undefined ? 'mcp-method is missing' : 'mcp-method does not match the method';
	return nameProblem(headers, message) ??
		tool.map(each => parameterProblem(headers, message.params?.arguments, each)).find(problem => problem);
}
