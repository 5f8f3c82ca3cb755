// The provider as its settings say. The server runs it; `clients.mjs` asks it whether a
// client is one that it would take.

import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';

import { Provider } from 'oidc-provider';

import { DATA, Store, read, write } from './store.mjs';

export class Unusable extends Error {}

/** The address that people and apps reach the provider at, to the letter. */
export function issuer() {
  const text = process.env.ISSUER ?? '';
  let url;
  try {
    url = new URL(text);
  } catch {
    throw new Unusable(`ISSUER is no address: "${text}"; it is written like https://sso.example.org`);
  }
  if (!/^https?:$/.test(url.protocol) || url.origin !== text) {
    throw new Unusable(`ISSUER has to be an origin without a path and without a slash at its end: "${text}"`);
  }
  return url;
}

/** A secret without the line end that editors put there. */
export function secret(name) {
  const file = `/run/secrets/${name}`;
  try {
    const text = readFileSync(process.env[`${name.toUpperCase()}_FILE`] ?? file, 'utf8').trim();
    if (text) return text;
  } catch (error) {
    throw new Unusable(`the secret ${name} cannot be read: ${error.message}`);
  }
  throw new Unusable(`the secret ${name} is empty`);
}

/** Those who can sign in, by their login. */
export function accounts() {
  let list;
  try {
    list = JSON.parse(secret('accounts'));
  } catch (error) {
    if (error instanceof Unusable) throw error;
    // The parser's own message quotes what it read.
    throw new Unusable('the secret accounts is not JSON');
  }
  if (!Array.isArray(list)) throw new Unusable('the secret accounts has to be a list');
  const known = new Map();
  for (const [at, account] of list.entries()) {
    for (const key of ['login', 'password', 'email']) {
      if (typeof account[key] !== 'string' || !account[key]) {
        throw new Unusable(`account ${at + 1} of the secret accounts has no ${key}`);
      }
    }
    if (known.has(account.login)) throw new Unusable(`duplicate login ${account.login}`);
    known.set(account.login, account);
  }
  return known;
}

const KEYS = path.join(DATA, 'keys.json');

function signingKey() {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const kid = randomBytes(8).toString('hex');
  return { ...privateKey.export({ format: 'jwk' }), kid, use: 'sig', alg: 'RS256' };
}

/** Keys for tokens and cookies, made on the first start: apps know the provider by them. */
export async function keys() {
  const kept = await read(KEYS);
  if (kept) return kept;
  const made = { jwks: { keys: [signingKey()] }, cookies: [randomBytes(32).toString('base64url')] };
  await write(KEYS, made);
  return made;
}

/**
 * Puts a new key in front, with which the server signs from its next start on. The last one
 * stays, as tokens are still around that it signed.
 */
export async function rotateKey() {
  const kept = await read(KEYS);
  const [last] = kept.jwks.keys;
  await write(KEYS, { ...kept, jwks: { keys: [signingKey(), last] } });
}

export const started = async () => await read(KEYS) !== undefined;

function claims(account) {
  return {
    sub: account.login,
    name: account.name ?? account.login,
    preferred_username: account.login,
    email: account.email,
    email_verified: account.email_verified ?? true,
    groups: account.groups ?? [],
  };
}

export async function provider({ people, pages, Adapter = Store }) {
  const { jwks, cookies } = await keys();
  const hours = 3600;
  const made = new Provider(issuer().origin, {
    adapter: Adapter,
    jwks,
    cookies: { keys: cookies },
    scopes: ['openid', 'offline_access'],
    claims: {
      openid: ['sub'],
      profile: ['name', 'preferred_username'],
      email: ['email', 'email_verified'],
      groups: ['groups'],
    },
    // Many apps read groups in the id token only.
    conformIdTokenClaims: false,
    clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'none'],
    pkce: { required: () => process.env.PKCE === 'required' },
    features: {
      devInteractions: { enabled: false },
      registration: { enabled: true, initialAccessToken: secret('initial_access_token') },
      // Each answer to a change has a new token, and the one that was used is gone.
      registrationManagement: { enabled: true, rotateRegistrationAccessToken: true },
      revocation: { enabled: true, allowedPolicy: (_, client, token) => token.clientId === client.clientId },
      rpInitiatedLogout: { enabled: true, ...pages?.logout },
    },
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    findAccount: (_, login) => {
      const account = people?.get(login);
      return account && { accountId: login, claims: () => claims(account) };
    },
    ttl: {
      AccessToken: hours,
      AuthorizationCode: 60,
      Grant: 14 * 24 * hours,
      IdToken: hours,
      Interaction: hours,
      RefreshToken: 14 * 24 * hours,
      Session: 14 * 24 * hours,
    },
    ...(pages && { renderError: pages.failed }),
  });
  // Addresses in answers are the issuer's, however the request came here.
  made.proxy = true;
  return made;
}
