// An OpenID provider (oidc-provider, certified) for the accounts in a secret. It keeps
// clients, grants, sessions and keys in /data.

import { createHash, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';

import * as pages from './pages.mjs';
import { Unusable, accounts, issuer, provider } from './provider.mjs';
import { sweep } from './store.mjs';

const PORT = 3000;
// What a form may have; a login and a password are short.
const FORM_LIMIT = 16 * 1024;
// Anyone who guesses passwords waits.
const AFTER_A_WRONG_PASSWORD = 1000;

const say = (text) => console.error(`oidc-provider: ${text}`);

async function form(req) {
  let text = '';
  for await (const part of req) {
    text += part;
    if (text.length > FORM_LIMIT) throw Object.assign(new Error('form too large'), { status: 413 });
  }
  return new URLSearchParams(text);
}

const digest = (text) => createHash('sha256').update(text).digest();

function send(res, status, body, headers = {}) {
  res.writeHead(status, {
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-store',
    'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    'referrer-policy': 'no-referrer',
    ...headers,
  });
  res.end(body);
}

/** Asks for a login and a password, then whether the app may know what it asks for. */
async function interaction(sso, people, req, res, uid, action) {
  const open = await sso.interactionDetails(req, res);
  if (open.uid !== uid) return send(res, 400, pages.gone());
  const client = await sso.Client.find(open.params.client_id);
  const finish = (result) => sso.interactionFinished(req, res, result, { mergeWithLastSubmission: true });
  const asked = `${req.method} ${action ?? ''}`;

  if (asked === 'GET abort') {
    return finish({ error: 'access_denied', error_description: 'the person cancelled' });
  }
  if (asked === 'POST login' && open.prompt.name === 'login') {
    const given = await form(req);
    const login = given.get('login') ?? '';
    const account = people.get(login);
    const right = timingSafeEqual(digest(given.get('password') ?? ''), digest(account?.password ?? ''));
    if (account && right) return finish({ login: { accountId: login } });
    say(`wrong login or password for ${JSON.stringify(login)}`);
    await new Promise((done) => { setTimeout(done, AFTER_A_WRONG_PASSWORD); });
    return send(res, 401, pages.signIn({ client, uid, login, problem: 'The login or the password is wrong.' }));
  }
  if (asked === 'POST consent' && open.prompt.name === 'consent') {
    const { details } = open.prompt;
    const grant = (open.grantId && await sso.Grant.find(open.grantId))
      || new sso.Grant({ accountId: open.session.accountId, clientId: open.params.client_id });
    if (details.missingOIDCScope) grant.addOIDCScope(details.missingOIDCScope.join(' '));
    if (details.missingOIDCClaims) grant.addOIDCClaims(details.missingOIDCClaims);
    for (const [resource, scopes] of Object.entries(details.missingResourceScopes ?? {})) {
      grant.addResourceScope(resource, scopes.join(' '));
    }
    return finish({ consent: { grantId: await grant.save() } });
  }
  if (open.prompt.name === 'login') return send(res, 200, pages.signIn({ client, uid }));
  const scopes = open.prompt.details.missingOIDCScope ?? ['openid'];
  return send(res, 200, pages.consent({ client, uid, scopes, redirect: open.params.redirect_uri }));
}

async function main() {
  const home = issuer();
  const people = accounts();
  const sso = await provider({ people, pages });
  sso.on('server_error', (_, error) => say(error.stack));
  for (const event of ['authorization.error', 'grant.error', 'registration_create.error', 'registration_update.error']) {
    sso.on(event, (ctx, error) => say(
      `${event}: ${error.message}${error.error_description ? `: ${error.error_description}` : ''}`
      + `${error.error_detail ? ` (${error.error_detail})` : ''}`
      + ` (client ${ctx.oidc?.client?.clientId ?? ctx.oidc?.params?.client_id ?? 'unknown'})`,
    ));
  }
  const answer = sso.callback();

  const server = createServer((req, res) => {
    const pathname = URL.parse(req.url, home)?.pathname;
    if (!pathname) return send(res, 400, 'No address.\n');
    if (pathname === '/health') return send(res, 200, 'ok\n', { 'content-type': 'text/plain' });
    // Names that a proxy or a private network has for us are none that apps may learn.
    req.headers['x-forwarded-host'] = home.host;
    req.headers['x-forwarded-proto'] = home.protocol.slice(0, -1);
    const [, uid, action] = /^\/interaction\/([^/]+)(?:\/(login|consent|abort))?$/.exec(pathname) ?? [];
    if (!uid) return answer(req, res);
    return interaction(sso, people, req, res, uid, action).catch((error) => {
      if (error.name === 'SessionNotFound') return send(res, 400, pages.gone());
      say(error.stack);
      return res.headersSent ? res.end() : send(res, error.status ?? 500, 'This did not work.\n');
    });
  });

  const tidy = () => sweep().catch((error) => say(error.stack));
  await tidy();
  setInterval(tidy, 10 * 60_000).unref();
  server.listen(PORT, () => say(`${home.origin} with ${people.size} accounts, on port ${PORT}`));
  for (const signal of ['SIGTERM', 'SIGINT']) {
    process.on(signal, () => {
      server.close(() => process.exit(0));
      server.closeIdleConnections();
      setTimeout(() => process.exit(0), 3000).unref();
    });
  }
}

main().catch((error) => {
  say(error instanceof Unusable ? error.message : error.stack);
  process.exit(1);
});
