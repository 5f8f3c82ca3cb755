// What the provider keeps, as a file for each thing: DATA/MODEL/ID.json. Every read goes to
// the disk, so a client that `clients.mjs` writes counts at once.
//
// It is made for some hundred people and one machine: a larger provider needs a database.

import { createHash, randomBytes } from 'node:crypto';
import * as fs from 'node:fs/promises';
import path from 'node:path';

export const DATA = process.env.DATA ?? '/data';

const now = () => Math.floor(Date.now() / 1000);

/** Replaces a file as a whole: who reads meanwhile sees the old or the new one. */
export async function write(file, value) {
  await fs.mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
  const part = `${file}.${randomBytes(6).toString('hex')}.part`;
  const handle = await fs.open(part, 'wx', 0o600);
  try {
    await handle.writeFile(JSON.stringify(value));
    await handle.sync();
  } finally {
    await handle.close();
  }
  await fs.rename(part, file);
}

/** None where there is no such file. */
export async function read(file) {
  try {
    return JSON.parse(await fs.readFile(file, 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

async function names(folder) {
  try {
    return (await fs.readdir(folder)).filter((name) => name.endsWith('.json'));
  } catch (error) {
    if (error.code === 'ENOENT') return [];
    throw error;
  }
}

/** Ids come from outside: whatever is in one, it names a file in this folder. */
function encoded(id) {
  const name = encodeURIComponent(String(id)).replace(/^\./, '%2E').replaceAll('*', '%2A');
  // File systems end at 255 bytes.
  return name.length <= 200 ? name : createHash('sha256').update(name).digest('hex');
}

/** The interface that oidc-provider asks for: `expires` is ours, the rest is its own. */
export class Store {
  constructor(model) {
    this.folder = path.join(DATA, model);
  }

  file(id) {
    return path.join(this.folder, `${encoded(id)}.json`);
  }

  async entry(file) {
    const entry = await read(file);
    if (entry?.expires && entry.expires < now()) return undefined;
    return entry;
  }

  async upsert(id, payload, expiresIn) {
    const entry = { payload };
    if (expiresIn) entry.expires = now() + expiresIn;
    await write(this.file(id), entry);
  }

  async find(id) {
    return (await this.entry(this.file(id)))?.payload;
  }

  async all() {
    const entries = (await names(this.folder)).map((name) => this.entry(path.join(this.folder, name)));
    return (await Promise.all(entries)).filter(Boolean).map((entry) => entry.payload);
  }

  async findByUid(uid) {
    return (await this.all()).find((payload) => payload.uid === uid);
  }

  async findByUserCode(code) {
    return (await this.all()).find((payload) => payload.userCode === code);
  }

  async consume(id) {
    const entry = await this.entry(this.file(id));
    if (!entry) return;
    entry.payload.consumed = now();
    await write(this.file(id), entry);
  }

  async destroy(id) {
    await fs.rm(this.file(id), { force: true });
  }

  async revokeByGrantId(grant) {
    for (const payload of await this.all()) {
      if (payload.grantId === grant) await this.destroy(payload.jti);
    }
  }
}

/** Takes away what has run out, and what a crash left half written. */
export async function sweep() {
  for (const folder of await fs.readdir(DATA, { withFileTypes: true })) {
    if (!folder.isDirectory()) continue;
    const inside = path.join(folder.parentPath, folder.name);
    for (const name of await fs.readdir(inside)) {
      const file = path.join(inside, name);
      const stale = name.endsWith('.part')
        ? Date.now() - ((await fs.stat(file).catch(() => undefined))?.mtimeMs ?? Date.now()) > 60_000
        : ((await read(file).catch(() => undefined))?.expires ?? Infinity) < now();
      if (stale) await fs.rm(file, { force: true });
    }
  }
}
