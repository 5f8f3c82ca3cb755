// Reads a request from standard input and answers on standard output, both JSON: what
// potluck's plugin does with the provider's clients. Nothing secret is in an argument.
//
//   {"action": "register", "client": {"client_id": …, "redirect_uris": […], …}}
//                             makes the client or changes it (RFC 7591's names), keeps its
//                             secret; answers {"issuer", "client", "done", "generation"}
//   {"action": "rotate", "client": …}       likewise, with another secret
//   {"action": "remove", "client_id": …}    answers {"done", "generation"}; no failure where
//                             there is none
//   {"action": "list"}                      all, without secrets
//   {"action": "rotate-key"}                another key for tokens, from the next start on
//
// A client's secret is derived from its id, the swarm's secret `client_key` and how often it
// was replaced, its generation. So a client that was lost, as the data is from an older
// backup, comes back with the secret that its app has; "generation" in a registration is
// the one that is known outside, where the data may be older than that.

import { createHmac } from 'node:crypto';

import { Unusable, issuer, provider, rotateKey, secret, started } from './provider.mjs';
import { Store } from './store.mjs';

/** A client that is not stored yet, for the provider to judge. */
let candidate;

class Judging extends Store {
  constructor(model) {
    super(model);
    this.model = model;
  }

  async find(id) {
    if (this.model === 'Client' && candidate?.client_id === id) return candidate;
    return super.find(id);
  }
}

const clients = new Store('Client');
/** A client's generation stays when the client goes. */
const generations = new Store('Generation');

const generation = async (id) => (await generations.find(id))?.count ?? 0;

async function next(id) {
  const count = await generation(id) + 1;
  await generations.upsert(id, { count });
  return count;
}

async function derived(id) {
  const text = JSON.stringify([id, await generation(id)]);
  return createHmac('sha256', secret('client_key')).update(text).digest('base64url');
}

/** What the request names replaces what was; ids, secrets and times stay. */
async function register({ client: asked, generation: known = 0 }, anew = false) {
  const id = asked?.client_id;
  if (typeof id !== 'string' || !/^[\x21-\x7e]{1,200}$/.test(id)) throw new Unusable('client_id is missing or invalid');
  const before = await clients.find(id);
  if (!Number.isSafeInteger(known)) throw new Unusable('generation is invalid');
  const older = known > await generation(id);
  if (older) await generations.upsert(id, { count: known });
  if (anew && asked.token_endpoint_auth_method === 'none') throw new Unusable(`the client ${id} has no secret`);
  if (anew) await next(id);
  candidate = {
    ...asked,
    client_id: id,
    client_id_issued_at: before?.client_id_issued_at ?? Math.floor(Date.now() / 1000),
  };
  delete candidate.client_secret;
  if (asked.token_endpoint_auth_method !== 'none') {
    candidate.client_secret = (!older && !anew && before?.client_secret) || await derived(id);
    candidate.client_secret_expires_at = 0;
  }
  const sso = await provider({ Adapter: Judging });
  const judged = (await sso.Client.find(id)).metadata();
  const done = before ? (anew ? 'given another secret' : same(before, judged) ? 'kept' : 'changed') : 'created';
  if (done !== 'kept') await clients.upsert(id, judged);
  return { issuer: issuer().origin, client: judged, done, generation: await generation(id) };
}

/** Whatever the order of the keys. */
function same(one, other) {
  const sorted = (object) => JSON.stringify(Object.entries(object).filter(([, v]) => v !== undefined).sort());
  return sorted(one) === sorted(other);
}

const rotate = (request) => register(request, true);

async function remove({ client_id: id }) {
  const found = await clients.find(id);
  if (!found) return { done: 'missing', generation: await generation(id) };
  // An app that is connected again gets another secret.
  const count = await next(id);
  await clients.destroy(id);
  return { done: 'removed', generation: count };
}

async function list() {
  const all = (await clients.all()).map(({ client_secret: _, ...client }) => client);
  return { issuer: issuer().origin, clients: all.sort((a, b) => (a.client_id < b.client_id ? -1 : 1)) };
}

async function another() {
  await rotateKey();
  return { done: 'rotated' };
}

async function main() {
  let text = '';
  for await (const part of process.stdin) text += part;
  const request = JSON.parse(text);
  const actions = { register, rotate, remove, list, 'rotate-key': another };
  if (!Object.hasOwn(actions, request.action)) throw new Unusable(`there is no action ${request.action}`);
  // The library speaks to people there.
  console.log = console.info = console.error;
  if (!await started()) throw new Unusable('the provider has not started yet');
  process.stdout.write(`${JSON.stringify(await actions[request.action](request))}\n`);
}

main().catch((error) => {
  const judged = error.error_description ?? error.message;
  process.stderr.write(`${error instanceof Unusable || error.error ? judged : error.stack}\n`);
  process.exit(1);
});
