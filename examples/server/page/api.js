// The server's REST calls. Every failure is a `Problem`, also that nothing answered.

/** Why a call failed: problem+json as the server sent it, or `offline` / `timeout` of our own. */
export class Problem extends Error {
  constructor({ status = 0, code = '', title = '', detail = '', retryAfter = null, hints = [], fields = {} }) {
    super(detail || title || code);
    this.name = 'Problem';
    Object.assign(this, { status, code, title, detail, retryAfter, hints, fields });
  }
}

const CALL_LIMIT = 30_000;
const BATCH_LIMIT = 120_000;
const BATCH = 1000;

/** The calls, with this key. `base` is where the page itself is; `language` is asked for each call. */
export function createApi({ key, base, language = () => 'en', fetch = globalThis.fetch.bind(globalThis) }) {
  const account = (name) => `whatsapp/session/${encodeURIComponent(name)}`;

  async function call(method, path, { body, headers = {}, limit = CALL_LIMIT } = {}) {
    const options = {
      method,
      headers: { Authorization: `Bearer ${key}`, 'Accept-Language': language(), ...headers },
      cache: 'no-store',
      credentials: 'omit',
    };
    if (body !== undefined) {
      options.headers['Content-Type'] = 'application/json';
      options.body = JSON.stringify(body);
    }
    const response = await send(new URL(path, base), options, limit);
    if (!response.ok) throw await problemOf(response);
    try {
      const text = await response.text();
      return text ? JSON.parse(text) : null;
    } catch {
      throw new Problem({ status: response.status, code: 'malformed' });
    }
  }

  /** Nothing is sent twice by itself: whether a lost request was heard is for the user to see. */
  async function send(url, options, limit) {
    try {
      return await fetch(url, { ...options, signal: AbortSignal.timeout(limit) });
    } catch (error) {
      throw new Problem({ code: error.name === 'TimeoutError' ? 'timeout' : 'offline' });
    }
  }

  const post = (path, body = {}, limit) => call('POST', path, { body, limit });

  /** Names beyond what the server takes at once go in further requests. */
  async function many(what, names, more = {}) {
    const items = [];
    for (let from = 0; from < names.length; from += BATCH) {
      const body = { names: names.slice(from, from + BATCH), ...more };
      items.push(...(await post(`whatsapp/sessions/${what}`, body, BATCH_LIMIT)).items);
    }
    return { items };
  }

  return {
    /** All accounts, however many answers that takes. */
    async list() {
      const accounts = [];
      let cursor = null;
      do {
        const query = '?limit=500' + (cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`);
        const answer = await call('GET', `whatsapp/sessions${query}`);
        accounts.push(...answer.accounts);
        cursor = answer.cursor ?? null;
      } while (cursor !== null);
      return accounts;
    },
    get: (name) => call('GET', account(name)),
    create: (body) => post('whatsapp/session', body),
    update: (name, version, body) =>
      call('PUT', account(name), { body, headers: { 'If-Match': `"${version}"` } }),
    delete: (name, { force = false } = {}) => call('DELETE', `${account(name)}${force ? '?force=true' : ''}`),
    logout: (name, { force = false } = {}) => post(`${account(name)}/logout${force ? '?force=true' : ''}`),
    start: (name) => post(`${account(name)}/start`),
    stop: (name) => post(`${account(name)}/stop`),
    /** Begins to link it: by QR code (`qr`), or by a code (`code`) for this number. */
    pair: (name, method, phoneNumber) =>
      post(`${account(name)}/pairing`, method === 'code' ? { method: 'pairing', phoneNumber } : { method: 'qr' }),
    refreshPairing: (name) => post(`${account(name)}/pairing/refresh`),
    cancelPairing: (name) => post(`${account(name)}/pairing/cancel`),
    resetUsage: (name, reason) => post(`${account(name)}/usage/reset`, { reason }),
    batchStart: (names) => many('start', names),
    batchStop: (names) => many('stop', names),
    batchDelete: (names) => many('delete', names, { confirm: true }),
    ticket: async () => (await post('ws/ticket')).ticket,
    /** The simulated phones, where the server has some. */
    async phones() {
      try {
        return (await call('GET', 'sandbox')).phones;
      } catch (problem) {
        if (problem.status === 404) return [];
        throw problem;
      }
    },
    scan: (name, phone) => post('sandbox/scan', { name, phone }),
    typeCode: (name, phone) => post('sandbox/type-code', { name, phone }),
  };
}

async function problemOf(response) {
  const said = await response.json().catch(() => ({}));
  const header = Number(response.headers.get('Retry-After'));
  return new Problem({
    ...(said && typeof said === 'object' ? said : {}),
    status: response.status,
    retryAfter: said?.retryAfter ?? (header > 0 ? header : null),
    hints: Array.isArray(said?.hints) ? said.hints : [],
  });
}
