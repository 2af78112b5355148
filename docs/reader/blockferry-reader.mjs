#!/usr/bin/env node
/**
 * The second implementation of the repository format (docs/format.md), in one file, with Node's built-in modules only.
 * It shares no line with the product, so that a restore point can be brought back when nothing of Blockferry is left but a
 * copy of the bucket and the key. It reads, and never writes anything but the image that it was asked for.
 *
 * Order of the text: errors, bytes, BLAKE3, keys, envelopes, stores, sealed objects, manifests, packs, points, restoring, commands.
 */
import {
  createDecipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  constants as cryptoConstants,
  hkdfSync,
  privateDecrypt,
  timingSafeEqual,
} from 'node:crypto';
import { open, readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import process from 'node:process';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { constants, zstdDecompressSync } from 'node:zlib';

const HELP = `Restores disks from a Blockferry repository without Blockferry. Needs Node 22.15 or newer, nothing else.

  node blockferry-reader.mjs list    <where> <key> [--tenant T] [--json]
  node blockferry-reader.mjs restore <where> <key> [--tenant T] --vm VM --point POINT --disk LUN --out FILE
  node blockferry-reader.mjs verify  <where> <key> [--tenant T] --vm VM --point POINT [--disk LUN]

where   --data DIR              copy of the data bucket: DIR/t/<tenant>/...
        --control DIR           copy of the control bucket; optional, finds points whose record is missing
        --bucket NAME           the data bucket itself, read through S3 (--control-bucket NAME for the other), with
                                --region R, --endpoint URL, and AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,
                                AWS_SESSION_TOKEN from the environment
key     --key-file FILE         the key under which the tenants' root keys are wrapped: 32 bytes or 64 hex digits
        --escrow-key FILE       the private escrow key (PEM, RSA); BLOCKFERRY_ESCROW_PASSPHRASE if it has one
        --root-key-file FILE    the tenant's root key itself: 32 bytes or 64 hex digits
        --root-key HEX          the same on the command line (others on this machine can see it there)
what    --vm VM                 key of the VM (16 hex digits) or its name, when only one has that name
        --point POINT           id of the restore point, or "latest"
        --disk LUN              "os" or the number of a data disk; verify takes all disks without it
        --out FILE              raw image, sparse; must not exist
        --skip-damaged          restore the rest, leave zeros where blocks are damaged, name them, end with 3
        --json                  one JSON document instead of text

Every byte is authenticated and every block hashed again before it is written.

Exit codes: 0 done  1 failed  2 wrong arguments  3 damaged  4 wrong key  5 not there  6 written by a newer version
`;

// ---------------------------------------------------------------------------------------------------------- errors

const exitCodes = { failed: 1, usage: 2, damaged: 3, key: 4, missing: 5, unknown: 6 };

class ReaderError extends Error {
  /** @param {keyof typeof exitCodes} kind */
  constructor(kind, message) {
    super(message);
    this.kind = kind;
  }
}

const damaged = (what, why) => new ReaderError('damaged', `${what}: ${why}`);
const unknown = (what, which) => new ReaderError('unknown', `${what} uses ${which}, which this reader does not know`);

// ----------------------------------------------------------------------------------------------------------- bytes

/** Varints are unsigned LEB128 in their shortest form; texts and lists have their length in front. */
class Bytes {
  constructor(buffer, what) {
    this.buffer = buffer;
    this.what = what;
    this.at = 0;
  }

  varint(max = Number.MAX_SAFE_INTEGER) {
    let value = 0;
    for (let place = 0; ; place++) {
      const byte = this.buffer[this.at++];
      if (byte === undefined || place > 7) throw damaged(this.what, 'a number is cut off or too long');
      value += (byte & 0x7f) * 0x80 ** place;
      if (byte === 0 && place > 0) throw damaged(this.what, 'a number is not in its shortest form');
      if (byte < 0x80) break;
    }
    if (value > max) throw damaged(this.what, `a number is ${value} where at most ${max} is allowed`);
    return value;
  }

  take(length) {
    if (length > this.buffer.length - this.at) throw damaged(this.what, 'it is cut off');
    this.at += length;
    return this.buffer.subarray(this.at - length, this.at);
  }

  text() {
    return this.take(this.varint(1024)).toString('utf8');
  }

  version() {
    const version = this.varint(255);
    if (version !== 1) throw unknown(this.what, `version ${version}`);
  }

  end() {
    if (this.at !== this.buffer.length) throw damaged(this.what, `${this.buffer.length - this.at} bytes too many`);
  }
}

/** codec 0: as it is; 1: zstd. Never more than `rawBytes`, whatever the compressed bytes would unfold to. */
function unpack(codec, bytes, rawBytes, what) {
  if (codec > 1) throw unknown(what, `codec ${codec}`);
  let raw = bytes;
  try {
    if (codec === 1)
      raw = zstdDecompressSync(bytes, {
        maxOutputLength: Math.max(1, rawBytes),
        params: { [constants.ZSTD_d_windowLogMax]: 23 },
      });
  } catch {
    throw damaged(what, `it does not decompress to its ${rawBytes} bytes`);
  }
  if (raw.length !== rawBytes) throw damaged(what, `it holds ${raw.length} bytes where ${rawBytes} are declared`);
  return raw;
}

/** AES-256-GCM; undefined when the tag (the last 16 bytes of `sealed`) does not match. */
function decrypt(key, nonce, additionalData, sealed) {
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: 16 });
  decipher.setAAD(additionalData);
  decipher.setAuthTag(sealed.subarray(sealed.length - 16));
  try {
    return Buffer.concat([decipher.update(sealed.subarray(0, sealed.length - 16)), decipher.final()]);
  } catch {
    return undefined;
  }
}

const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

// ---------------------------------------------------------------------------------------------------------- BLAKE3

const IV = Int32Array.of(
  0x6a09e667,
  0xbb67ae85,
  0x3c6ef372,
  0xa54ff53a,
  0x510e527f,
  0x9b05688c,
  0x1f83d9ab,
  0x5be0cd19,
);
/** Which message word each step of the seven rounds takes: the permutation of the specification, applied over and over. */
const PERMUTATION = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];
/** Which message word each step of the seven rounds takes: the permutation, applied over and over. */
const order = Uint8Array.from({ length: 112 }, (_, at) => at);
for (let at = 16; at < 112; at++) order[at] = order[at - 16 - (at % 16) + PERMUTATION[at % 16]];
const flags = { chunkStart: 1, chunkEnd: 2, parent: 4, root: 8, keyed: 16 };

/** One quarter round in the steps of the specification, on four of the sixteen words of `v`. */
function mix(v, a, b, c, d, x, y) {
  let va = v[a];
  let vb = v[b];
  let vc = v[c];
  let vd = v[d];
  va = (va + vb + x) | 0;
  vd ^= va;
  vd = (vd >>> 16) | (vd << 16);
  vc = (vc + vd) | 0;
  vb ^= vc;
  vb = (vb >>> 12) | (vb << 20);
  va = (va + vb + y) | 0;
  vd ^= va;
  vd = (vd >>> 8) | (vd << 24);
  vc = (vc + vd) | 0;
  vb ^= vc;
  vb = (vb >>> 7) | (vb << 25);
  v[a] = va;
  v[b] = vb;
  v[c] = vc;
  v[d] = vd;
}

const state = new Int32Array(16);

/** One compression: `words` holds the message from `from` on; the result replaces `chaining`. */
function compress(chaining, words, from, counter, length, flag) {
  const v = state;
  for (let at = 0; at < 8; at++) v[at] = chaining[at];
  for (let at = 0; at < 4; at++) v[8 + at] = IV[at];
  v[12] = counter;
  v[13] = 0; // chunk numbers stay below 2^32: blocks are small
  v[14] = length;
  v[15] = flag;
  for (let at = 0; at < 112; at += 16) {
    mix(v, 0, 4, 8, 12, words[from + order[at + 0]], words[from + order[at + 1]]);
    mix(v, 1, 5, 9, 13, words[from + order[at + 2]], words[from + order[at + 3]]);
    mix(v, 2, 6, 10, 14, words[from + order[at + 4]], words[from + order[at + 5]]);
    mix(v, 3, 7, 11, 15, words[from + order[at + 6]], words[from + order[at + 7]]);
    mix(v, 0, 5, 10, 15, words[from + order[at + 8]], words[from + order[at + 9]]);
    mix(v, 1, 6, 11, 12, words[from + order[at + 10]], words[from + order[at + 11]]);
    mix(v, 2, 7, 8, 13, words[from + order[at + 12]], words[from + order[at + 13]]);
    mix(v, 3, 4, 9, 14, words[from + order[at + 14]], words[from + order[at + 15]]);
  }
  for (let at = 0; at < 8; at++) chaining[at] = v[at] ^ v[at + 8];
}

/** Words of 32 bits, zero-padded to whole blocks of 64 bytes. Little-endian, as every machine is that runs Node today. */
function wordsOf(bytes) {
  const padded = new Uint8Array(Math.max(64, Math.ceil(bytes.length / 64) * 64));
  padded.set(bytes);
  return new Int32Array(padded.buffer);
}

/** BLAKE3 in keyed mode, 32 bytes: the id of a block. */
function blake3(key, bytes) {
  const keyWords = wordsOf(key).subarray(0, 8);
  const words = wordsOf(bytes);
  const chunk = (number, rootFlag) => {
    const chaining = Int32Array.from(keyWords);
    const start = number * 1024;
    const end = Math.min(bytes.length, start + 1024);
    for (let at = start; at === start || at < end; at += 64) {
      const last = at + 64 >= end;
      const flag = flags.keyed | (at === start ? flags.chunkStart : 0) | (last ? flags.chunkEnd | rootFlag : 0);
      compress(chaining, words, at / 4, number, Math.min(64, end - at), flag);
    }
    return chaining;
  };
  /** The tree over chunks [first, first + count): the left side is the largest power of two that leaves a right side. */
  const tree = (first, count, rootFlag) => {
    if (count === 1) return chunk(first, rootFlag);
    const left = 2 ** Math.floor(Math.log2(count - 1));
    const children = new Int32Array(16);
    children.set(tree(first, left, 0));
    children.set(tree(first + left, count - left, 0), 8);
    const chaining = Int32Array.from(keyWords);
    compress(chaining, children, 0, 0, 64, flags.keyed | flags.parent | rootFlag);
    return chaining;
  };
  const digest = Buffer.alloc(32);
  tree(0, Math.max(1, Math.ceil(bytes.length / 1024)), flags.root).forEach((word, at) => {
    digest.writeInt32LE(word, at * 4);
  });
  return digest;
}

// ------------------------------------------------------------------------------------------------------------ keys

function deriveKeys(rootKey, tenant) {
  const derive = (label, bytes = 32) =>
    Buffer.from(hkdfSync('sha256', rootKey, `blockferry/1/${tenant}`, label, bytes));
  return {
    tenant,
    id: derive('block-id/1'),
    mac: derive('record/1'),
    meta: derive('meta/1'),
    wrap: (generation) => derive(`unit-wrap/${generation}`),
    check: derive('key-check/1', 8),
  };
}

function requireKey(keys, check, what) {
  if (!check.equals(keys.check)) {
    throw new ReaderError('key', `${what} was written under another root key than the one given for ${keys.tenant}`);
  }
}

// ------------------------------------------------------------------------------------------------------- envelopes

/**
 * The root key of a tenant from its envelopes `t/<tenant>/k/1/<n>`, newest first, in both buckets. `unwrap(wrap, tenant)`
 * gives 32 bytes for a wrap that it knows, undefined otherwise. What an envelope says counts only when it authenticates
 * under the key that it holds, and when it names the same key as the oldest envelope: anyone can wrap a key of their own
 * for the escrow's public half.
 */
async function openRootKey({ data, control }, tenant, unwrap) {
  const copies = [];
  const problems = [];
  for (const store of control ? [data, control] : [data]) {
    for (const key of await store.list(`t/${tenant}/k/`)) {
      try {
        copies.push(parseEnvelope(key, await store.get(key), tenant));
      } catch (error) {
        if (!(error instanceof ReaderError)) throw error;
        problems.push(error);
      }
    }
  }
  copies.sort((a, b) => b.envelope.rewrap - a.envelope.rewrap);
  const first = copies.at(-1)?.envelope.rewrap;
  const checks = new Set(
    copies.filter(({ envelope }) => envelope.rewrap === first).map(({ envelope }) => envelope.check),
  );
  const found = new Map();
  for (const { line, mac, envelope } of copies) {
    for (const wrap of checks.has(envelope.check) ? envelope.wraps : []) {
      const rootKey = typeof wrap?.wrapped === 'string' ? unwrap(wrap, tenant) : undefined;
      if (rootKey?.length !== 32) continue;
      const derive = (label) => Buffer.from(hkdfSync('sha256', rootKey, `blockferry/1/${tenant}`, label, 32));
      const expected = createHmac('sha256', derive('key-envelope/1')).update(line).digest('hex');
      if (derive('check/1').toString('hex') === envelope.check && expected === mac) found.set(envelope.check, rootKey);
    }
  }
  if (found.size > 1) throw damaged(`the key envelopes of ${tenant}`, 'its two copies hold different root keys');
  const [rootKey] = found.values();
  if (rootKey) return rootKey;
  if (copies.length === 0) throw problems[0] ?? new ReaderError('missing', `tenant ${tenant} has no key envelope here`);
  const known = copies.flatMap(({ envelope }) => envelope.wraps.map(({ kind, keyId }) => `${kind} ${keyId}`));
  throw new ReaderError(
    'key',
    `this key opens no envelope of ${tenant}; they are made for: ${[...new Set(known)].join(', ')}`,
  );
}

/** Two lines: JSON, and a MAC over its very bytes. */
function parseEnvelope(key, stored, tenant) {
  const [line = '', mac = '', ...rest] = stored.toString('utf8').split('\n');
  if (!/^[0-9a-f]{64}$/.test(mac) || rest.join('\n') !== '') throw damaged(key, 'it is no key envelope');
  const envelope = parseRecord(Buffer.from(line), key, fieldsOf.envelope);
  if (envelope.magic !== 'blockferry-key' || !Array.isArray(envelope.wraps))
    throw damaged(key, 'it is no key envelope');
  if (envelope.generation !== 1) throw unknown(key, `root key generation ${envelope.generation}`);
  if (key !== `t/${tenant}/k/1/${envelope.rewrap}` || envelope.tenant !== tenant)
    throw damaged(key, 'it belongs elsewhere');
  return { line, mac, envelope };
}

function unwrapWithFile(fileKey) {
  const keyId = Buffer.from(hkdfSync('sha256', fileKey, 'blockferry/1', 'key-file-id/1', 16)).toString('hex');
  return (wrap, tenant) => {
    if (wrap.kind !== 'key-file' || wrap.algorithm !== 'A256GCM' || wrap.keyId !== keyId) return undefined;
    const wrapped = Buffer.from(wrap.wrapped, 'base64');
    if (wrapped.length !== 60) return undefined;
    return decrypt(
      fileKey,
      wrapped.subarray(0, 12),
      Buffer.from(`blockferry-key/1\0${tenant}\x001\0${keyId}`),
      wrapped.subarray(12),
    );
  };
}

function unwrapWithEscrow(pem) {
  const { BLOCKFERRY_ESCROW_PASSPHRASE: passphrase } = process.env;
  let key;
  try {
    key = createPrivateKey({ key: pem, ...(passphrase ? { passphrase } : {}) });
  } catch {
    throw new ReaderError('usage', 'the escrow key is no private RSA key in PEM, or its passphrase is missing');
  }
  const keyId = sha256(createPublicKey(key).export({ type: 'spki', format: 'der' })).slice(0, 32);
  return (wrap) => {
    if (wrap.kind !== 'escrow' || wrap.algorithm !== 'RSA-OAEP-256' || wrap.keyId !== keyId) return undefined;
    try {
      const padding = cryptoConstants.RSA_PKCS1_OAEP_PADDING;
      return privateDecrypt({ key, padding, oaepHash: 'sha256' }, Buffer.from(wrap.wrapped, 'base64'));
    } catch {
      return undefined;
    }
  };
}

// ---------------------------------------------------------------------------------------------------------- stores

/** A folder copy of a bucket. Both kinds of store: get(key, start, end) and list(prefix), half-open ranges. */
function folderStore(root) {
  const fileOf = (key) => {
    if (key.split('/').some((part) => part === '' || part === '.' || part === '..')) throw damaged(key, 'a bad name');
    return path.join(root, ...key.split('/'));
  };
  const walk = async (prefix) => {
    const entries = await readdir(path.join(root, prefix), { withFileTypes: true }).catch(() => []);
    const nested = entries.map((entry) =>
      entry.isDirectory() ? walk(`${prefix}${entry.name}/`) : [`${prefix}${entry.name}`],
    );
    return (await Promise.all(nested)).flat().sort();
  };
  return {
    list: walk,
    folders: async (prefix) => {
      const entries = await readdir(path.join(root, prefix), { withFileTypes: true }).catch(() => []);
      return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
    },
    get: async (key, start = 0, end = undefined) => {
      const file = await open(fileOf(key)).catch((error) => {
        if (error.code === 'ENOENT') throw new ReaderError('missing', `there is no object ${key}`);
        throw error;
      });
      try {
        const { size } = await file.stat();
        const length = (end ?? size) - start;
        if (length < 0 || start + length > size) throw damaged(key, `it has only ${size} bytes`);
        const bytes = Buffer.alloc(length);
        let done = 0;
        while (done < length) {
          const { bytesRead } = await file.read(bytes, done, length - done, start + done);
          if (bytesRead === 0) throw damaged(key, 'it became shorter while it was read');
          done += bytesRead;
        }
        return bytes;
      } finally {
        await file.close();
      }
    },
  };
}

/** A bucket through the S3 API: plain fetch, AWS Signature Version 4, credentials from the environment. */
function bucketStore({ bucket, region, endpoint }) {
  const { AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: secret, AWS_SESSION_TOKEN: token } = process.env;
  if (!id || !secret) throw new ReaderError('usage', 'AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set');
  const base = endpoint ? `${endpoint.replace(/\/$/, '')}/${bucket}` : `https://${bucket}.s3.${region}.amazonaws.com`;
  const encode = (text) =>
    encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
  const hmac = (key, text) => createHmac('sha256', key).update(text).digest();

  const signed = (url, extra) => {
    const now = new Date().toISOString().replace(/[-:]|\.\d+/g, '');
    const scope = `${now.slice(0, 8)}/${region}/s3/aws4_request`;
    const headers = { host: url.host, 'x-amz-content-sha256': sha256(''), 'x-amz-date': now, ...extra };
    if (token) headers['x-amz-security-token'] = token;
    const names = Object.keys(headers).sort();
    const query = [...url.searchParams]
      .map(([name, value]) => `${encode(name)}=${encode(value)}`)
      .sort()
      .join('&');
    const list = names.map((name) => `${name}:${headers[name]}\n`).join('');
    const request = ['GET', url.pathname, query, list, names.join(';'), sha256('')].join('\n');
    const toSign = ['AWS4-HMAC-SHA256', now, scope, sha256(request)].join('\n');
    const key = scope.split('/').reduce((previous, part) => hmac(previous, part), `AWS4${secret}`);
    const signature = createHmac('sha256', key).update(toSign).digest('hex');
    const authorization = `AWS4-HMAC-SHA256 Credential=${id}/${scope}, SignedHeaders=${names.join(';')}, Signature=${signature}`;
    const { host: _host, ...rest } = headers;
    return { ...rest, authorization };
  };

  const fetchBytes = async (url, what, extra = {}) => {
    for (let attempt = 1; ; attempt++) {
      const reply = await fetch(url, { headers: signed(url, extra), signal: AbortSignal.timeout(120_000) })
        .then(async (answer) => ({ status: answer.status, bytes: Buffer.from(await answer.arrayBuffer()) }))
        .catch(() => ({ status: 0, bytes: Buffer.alloc(0) }));
      if (reply.status === 200 || reply.status === 206) return reply.bytes;
      if (reply.status === 404) throw new ReaderError('missing', `there is no object ${what}`);
      if (reply.status === 416) throw damaged(what, 'it is shorter than its manifest says');
      const again = reply.status === 0 || reply.status === 429 || reply.status >= 500;
      if (!again || attempt === 6) throw new ReaderError('failed', `reading ${what} failed with HTTP ${reply.status}`);
      await new Promise((resolve) => setTimeout(resolve, 200 * 2 ** attempt));
    }
  };

  const pages = async (prefix, delimiter, tag) => {
    const found = [];
    let continuation;
    do {
      const url = new URL(`${base}/`);
      url.searchParams.set('list-type', '2');
      url.searchParams.set('prefix', prefix);
      if (delimiter) url.searchParams.set('delimiter', delimiter);
      if (continuation) url.searchParams.set('continuation-token', continuation);
      const xml = (await fetchBytes(url, `the list of ${prefix}`)).toString('utf8');
      for (const [, text] of xml.matchAll(tag)) found.push(text);
      continuation = /<NextContinuationToken>([^<]+)</.exec(xml)?.[1];
    } while (continuation);
    return found;
  };

  return {
    list: (prefix) => pages(prefix, undefined, /<Key>([^<]*)<\/Key>/g),
    folders: async (prefix) =>
      (await pages(prefix, '/', /<CommonPrefixes><Prefix>([^<]*)<\/Prefix>/g)).map((name) =>
        name.slice(prefix.length, -1),
      ),
    get: async (key, start = 0, end = undefined) => {
      const range = end === undefined && start === 0 ? {} : { range: `bytes=${start}-${end - 1}` };
      const url = new URL(`${base}/${key.split('/').map(encode).join('/')}`);
      const bytes = await fetchBytes(url, key, range);
      if (end !== undefined && bytes.length !== end - start) throw damaged(key, `${bytes.length} bytes came`);
      return bytes;
    },
  };
}

// -------------------------------------------------------------------------------------------------- sealed objects

const kinds = {
  ...{ segment: 1, leaves: 2, root: 3, point: 4, fact: 5, register: 6, begun: 7, checkpoint: 8 },
  ...{ collector: 9, cycle: 10, units: 11, keeper: 12 },
};
const SEALED_BYTES_MAX = 256 * 1024 * 1024;

/** The plaintext of a sealed object: authentic, whole, of this kind, and written under this very key. */
function openSealed(keys, kind, key, stored) {
  if (stored.length < 68) throw damaged(key, `it has only ${stored.length} bytes`);
  if (stored.toString('latin1', 0, 3) !== 'BFS') throw damaged(key, 'it is no object of Blockferry');
  if (stored[3] !== 0x31) throw unknown(key, `format version ${JSON.stringify(String.fromCharCode(stored[3]))}`);
  if (stored[5] !== 2) throw unknown(key, `block id algorithm ${stored[5]}`);
  if (stored[7] !== 0) throw unknown(key, `flags ${stored[7]}`);
  if (!Object.values(kinds).includes(stored[4])) throw unknown(key, `object kind ${stored[4]}`);
  if (stored[4] !== kinds[kind]) throw damaged(key, `it is of kind ${stored[4]}, not a ${kind}`);
  requireKey(keys, stored.subarray(8, 16), key);
  const header = stored.subarray(0, 52);
  const name = Buffer.from(`${keys.tenant}\0${key}`);
  const dataKey = Buffer.from(hkdfSync('sha256', keys.meta, header.subarray(16, 48), 'sealed/1', 32));
  const bytes = decrypt(dataKey, Buffer.alloc(12), Buffer.concat([header, name]), stored.subarray(52));
  if (!bytes) throw damaged(key, 'its authentication tag does not match');
  const salt = createHmac('sha256', keys.mac)
    .update(
      Buffer.concat([Buffer.from('seal/1\0'), header.subarray(0, 16), header.subarray(48, 52), name, Buffer.alloc(1)]),
    )
    .update(bytes)
    .digest();
  if (!timingSafeEqual(salt, header.subarray(16, 48))) throw damaged(key, 'its salt does not match its content');
  const rawBytes = header.readUInt32LE(48);
  if (rawBytes > SEALED_BYTES_MAX) throw damaged(key, 'its declared size is absurd');
  return unpack(header[6], bytes, rawBytes, key);
}

/** Fields of the records that are read here; a newer writer that has others says so with another version. */
const fieldsOf = {
  point:
    'version id tenant jobId vmKey createdAt policy consistency skewMs machine disks excludedLuns previousDigest'.split(
      ' ',
    ),
  register:
    'version kind vmKey epoch state admitted condemned replaced committedAt pointDigest pointId point hold expiry beat nonce'.split(
      ' ',
    ),
  envelope: 'version magic tenant generation rewrap packGeneration check wraps'.split(' '),
};

function parseRecord(plaintext, key, fields) {
  let record;
  try {
    record = JSON.parse(plaintext.toString('utf8'));
  } catch {
    throw damaged(key, 'it is no JSON');
  }
  if (typeof record !== 'object' || record === null) throw damaged(key, 'it is no record');
  if (record.version !== 1) throw unknown(key, `record version ${record.version}`);
  const strange = Object.keys(record).find((field) => !fields.includes(field));
  if (strange !== undefined) throw unknown(key, `field ${strange}`);
  return record;
}

// ------------------------------------------------------------------------------------------------------- manifests

function parseRoot(plaintext, key) {
  const bytes = new Bytes(plaintext, key);
  bytes.version();
  const root = {
    vmKey: bytes.text(),
    lun: bytes.text(),
    diskBytes: bytes.varint(2 ** 50),
    blockBytes: bytes.varint(2 ** 24),
    leafBytes: bytes.varint(2 ** 32),
  };
  const { diskBytes, blockBytes, leafBytes } = root;
  if (!diskBytes || !blockBytes || !leafBytes || leafBytes % blockBytes !== 0)
    throw damaged(key, 'its geometry makes no sense');
  const objects = [];
  for (let count = bytes.varint(); count > 0; count--) {
    objects.push({ object: bytes.text(), digest: bytes.take(32).toString('hex') });
  }
  const runs = [];
  let covered = 0;
  for (let count = bytes.varint(); count > 0; count--) {
    const head = bytes.varint();
    const leaves = Math.floor(head / 2);
    covered += leaves;
    if (leaves === 0) throw damaged(key, 'an empty run');
    if (head % 2 === 0) {
      runs.push({ leaves });
      continue;
    }
    const object = objects[bytes.varint()];
    if (!object) throw damaged(key, 'a run names no object');
    runs.push({ leaves, ...object, ordinal: bytes.varint() });
  }
  bytes.end();
  if (covered !== Math.ceil(diskBytes / leafBytes))
    throw damaged(key, `it covers ${covered} leaves, the disk has others`);
  return { ...root, runs };
}

function parseLeaves(plaintext, key) {
  const bytes = new Bytes(plaintext, key);
  bytes.version();
  const blockBytes = bytes.varint(2 ** 24);
  const leafBlocks = bytes.varint(65_536);
  const units = [];
  for (let count = bytes.varint(); count > 0; count--) units.push(readUnit(bytes));
  const leaves = [];
  for (let count = bytes.varint(); count > 0; count--) {
    const leaf = { index: bytes.varint(), blocks: bytes.varint(leafBlocks), runs: [] };
    let covered = 0;
    for (let runs = bytes.varint(); runs > 0; runs--) {
      const head = bytes.varint();
      const run = { first: covered, blocks: Math.floor(head / 2) };
      if (head % 2 === 1) Object.assign(run, { unit: units[bytes.varint()], slot: bytes.varint(16_383) });
      covered += run.blocks;
      if (run.blocks === 0 || covered > leaf.blocks || (head % 2 === 1 && !run.unit))
        throw damaged(key, `bad run in leaf ${leaf.index}`);
      leaf.runs.push(run);
    }
    if (covered !== leaf.blocks)
      throw damaged(key, `leaf ${leaf.index} has ${leaf.blocks} blocks, its runs ${covered}`);
    leaves.push(leaf);
  }
  bytes.end();
  return { blockBytes, leafBlocks, leaves };
}

function readUnit(bytes) {
  const unit = {
    name: bytes.take(16).toString('hex'),
    sizeBytes: bytes.varint(2 ** 32 - 1),
    tailBytes: bytes.varint(2 ** 32 - 1),
  };
  if (unit.tailBytes + 96 > unit.sizeBytes || unit.tailBytes < 32)
    throw damaged(bytes.what, `pack ${unit.name} has an impossible size`);
  return unit;
}

// ----------------------------------------------------------------------------------------------------------- packs

const unitKey = (tenant, name) => `t/${tenant}/u/${name.slice(0, 2)}/${name}`;

/** Header and sealed directory of a pack: its data key, its frames and the ids of its blocks. */
async function openPack({ data, keys }, unit) {
  const what = `pack ${unit.name}`;
  const key = unitKey(keys.tenant, unit.name);
  const header = await data.get(key, 0, 96);
  if (header.toString('latin1', 0, 3) !== 'BFP') throw damaged(what, 'it has no header');
  if (header[3] !== 0x31) throw unknown(what, `format version ${JSON.stringify(String.fromCharCode(header[3]))}`);
  if (header[4] !== 1) throw unknown(what, `cipher suite ${header[4]}`);
  if (header[5] !== 2) throw unknown(what, `block id algorithm ${header[5]}`);
  requireKey(keys, header.subarray(8, 16), what);
  if (header.toString('hex', 16, 32) !== unit.name) throw damaged(what, 'the object holds another pack');
  const bound = Buffer.concat([header.subarray(0, 36), Buffer.from(`pack-key\0${keys.tenant}`)]);
  const dataKey = decrypt(keys.wrap(header.readUInt16LE(6)), header.subarray(36, 48), bound, header.subarray(48, 96));
  if (!dataKey) throw damaged(what, 'its header does not authenticate');
  const blockBytes = header.readUInt32LE(32);

  const tail = await data.get(key, unit.sizeBytes - unit.tailBytes, unit.sizeBytes);
  const footer = tail.subarray(tail.length - 16);
  if (footer.toString('latin1', 0, 4) !== 'BFPE') throw damaged(what, 'it has no footer');
  const bind = Buffer.concat([header, footer, Buffer.from(`directory\0${keys.tenant}`)]);
  const plaintext = decrypt(dataKey, Buffer.alloc(12, 0xff), bind, tail.subarray(0, tail.length - 16));
  if (!plaintext) throw damaged(what, 'its directory does not authenticate');
  const bytes = new Bytes(plaintext, `the directory of ${what}`);
  bytes.version();
  const frames = [];
  let start = 96;
  let firstSlot = 0;
  for (let count = bytes.varint(16_384); count > 0; count--) {
    const end = start + bytes.varint();
    const frame = {
      ordinal: frames.length,
      start,
      end,
      firstSlot,
      blocks: bytes.varint(16),
      codec: bytes.varint(),
      rawBytes: bytes.varint(16 * 2 ** 24),
    };
    if (frame.codec > 1) throw unknown(what, `codec ${frame.codec}`);
    if (Math.ceil(frame.rawBytes / blockBytes) !== frame.blocks)
      throw damaged(what, `frame ${frame.ordinal} has an impossible size`);
    frames.push(frame);
    start = end;
    firstSlot += frame.blocks;
  }
  const ids = bytes.take(firstSlot * 32);
  bytes.end();
  if (start + tail.length !== unit.sizeBytes) throw damaged(what, 'its frames do not end where its directory begins');
  return { what, key, header, dataKey, blockBytes, frames, ids };
}

/** The blocks of a frame, each hashed again and held against its id. */
function openFrame(keys, pack, frame, stored) {
  const what = `frame ${frame.ordinal} of ${pack.what}`;
  const shape = Buffer.alloc(12);
  shape.writeUInt32LE(frame.ordinal, 0);
  shape.writeUInt16LE(frame.blocks, 4);
  shape.writeUInt16LE(frame.codec, 6);
  shape.writeUInt32LE(frame.rawBytes, 8);
  const nonce = Buffer.alloc(12);
  nonce.writeUInt32LE(frame.ordinal, 8);
  const bound = Buffer.concat([pack.header, shape, Buffer.from(`frame\0${keys.tenant}`)]);
  const plaintext = stored.length < 16 ? undefined : decrypt(pack.dataKey, nonce, bound, stored);
  if (!plaintext || plaintext.length < frame.blocks * 32) throw damaged(what, 'it does not authenticate');
  const raw = unpack(frame.codec, plaintext.subarray(frame.blocks * 32), frame.rawBytes, what);
  const blocks = [];
  for (let at = 0; at < frame.blocks; at++) {
    const block = raw.subarray(at * pack.blockBytes, (at + 1) * pack.blockBytes);
    const id = plaintext.subarray(at * 32, (at + 1) * 32);
    const listed = pack.ids.subarray((frame.firstSlot + at) * 32, (frame.firstSlot + at + 1) * 32);
    if (!id.equals(listed) || !blake3(keys.id, block).equals(id))
      throw damaged(what, `block ${at} does not hash to its id`);
    blocks.push(block);
  }
  return blocks;
}

// ---------------------------------------------------------------------------------------------------------- points

/** Reads a point record and checks that it is the one its key promises. */
function parsePoint(keys, key, stored) {
  const point = parseRecord(openSealed(keys, 'point', key, stored), key, fieldsOf.point);
  if (point.tenant !== keys.tenant || key !== `t/${keys.tenant}/p/${point.vmKey}/${point.id}`) {
    throw damaged(key, 'it is the record of another restore point');
  }
  return { point, key, digest: sha256(stored) };
}

/**
 * All restore points of a tenant, oldest first, and what is wrong. A point exists when its record is there, or when a
 * register says COMMITTED: it carries the record, in case the last write of a backup never came.
 */
async function readPoints({ data, control, keys }, vmKey) {
  const points = new Map();
  const problems = [];
  const attempt = async (read) => {
    try {
      await read();
    } catch (error) {
      if (!(error instanceof ReaderError) || error.kind === 'key') throw error;
      problems.push(error);
    }
  };
  for (const key of await data.list(`t/${keys.tenant}/p/${vmKey ? `${vmKey}/` : ''}`)) {
    await attempt(async () => points.set(key, parsePoint(keys, key, await data.get(key))));
  }
  for (const session of control ? await control.folders(`t/${keys.tenant}/s/`) : []) {
    await attempt(async () => {
      const name = `t/${keys.tenant}/s/${session}/register`;
      const register = parseRecord(
        openSealed(keys, 'register', name, await control.get(name)),
        name,
        fieldsOf.register,
      );
      if (register.state !== 'COMMITTED' || typeof register.point !== 'string') return;
      const key = `t/${keys.tenant}/p/${register.vmKey}/${register.pointId}`;
      if (points.has(key) || (vmKey && register.vmKey !== vmKey)) return;
      const found = parsePoint(keys, key, Buffer.from(register.point, 'base64'));
      if (found.digest !== register.pointDigest) throw damaged(name, 'it carries another record than it says');
      points.set(key, { ...found, recordMissing: true });
    });
  }
  const sorted = [...points.values()].sort((a, b) => (timeOf(a) < timeOf(b) ? -1 : 1));
  const digests = new Set(sorted.map(({ digest }) => digest));
  return {
    points: sorted.map((entry) => {
      const { previousDigest } = entry.point;
      return { ...entry, predecessorMissing: previousDigest !== undefined && !digests.has(previousDigest) };
    }),
    problems,
  };
}

const timeOf = ({ point }) => `${point.createdAt} ${point.id}`;

async function findPoint(repository, vm, wanted) {
  const byKey = /^[0-9a-f]{16}$/.test(vm);
  const { points, problems } = await readPoints(repository, byKey ? vm : undefined);
  const mine = points.filter(({ point }) => (byKey ? point.vmKey === vm : point.machine?.name === vm));
  if (new Set(mine.map(({ point }) => point.vmKey)).size > 1) {
    throw new ReaderError('usage', `several VMs are called ${vm}: give the key of one (see list)`);
  }
  const found = wanted === 'latest' ? mine.at(-1) : mine.find(({ point }) => point.id === wanted);
  if (found) return found.point;
  const [problem] = problems;
  if (problem) throw problem;
  throw new ReaderError('missing', `there is no restore point ${wanted} of VM ${vm}`);
}

// ------------------------------------------------------------------------------------------------------- restoring

const READ_BYTES_MAX = 8 * 1024 * 1024;

/**
 * Reads one disk of a point, leaf by leaf, and hands each block that is not zeros to `write(offset, block)`. With `skip`,
 * damage is told to it as [start, end) of the disk and the rest goes on; without it the first damage ends everything.
 */
async function readDisk(repository, point, disk, write, skip) {
  const { data, keys } = repository;
  const rootKey = `t/${keys.tenant}/${disk.manifestKey}`;
  const storedRoot = await data.get(rootKey);
  if (sha256(storedRoot) !== disk.manifestDigest) throw damaged(rootKey, 'it is not the root that the point names');
  const root = parseRoot(openSealed(keys, 'root', rootKey, storedRoot), rootKey);
  if (root.vmKey !== point.vmKey || root.lun !== String(disk.lun) || root.diskBytes !== disk.sizeBytes) {
    throw damaged(rootKey, 'it describes another disk than the point says');
  }
  const leafObjects = keep(8, async (key, digest) => {
    const stored = await data.get(key);
    if (sha256(stored) !== digest) throw damaged(key, 'it is not the object that the root names');
    return parseLeaves(openSealed(keys, 'leaves', key, stored), key);
  });
  const packs = keep(32, (_name, unit) => openPack(repository, unit));

  const guarded = async (ranges, read) => {
    try {
      await read();
    } catch (error) {
      const where = `disk ${root.lun}, bytes ${ranges.map(([start, end]) => `${start}-${end}`).join(' ')}`;
      const bad = error instanceof ReaderError && ['damaged', 'missing'].includes(error.kind);
      const named = bad ? new ReaderError('damaged', `${error.message} (${where})`) : error;
      if (!bad || !skip) throw named;
      for (const range of ranges) skip(range, named);
    }
  };

  let index = 0;
  for (const run of root.runs) {
    for (let step = 0; step < run.leaves; step++, index++) {
      if (run.object === undefined) continue;
      const leafStart = index * root.leafBytes;
      const leafEnd = Math.min(root.diskBytes, leafStart + root.leafBytes);
      await guarded([[leafStart, leafEnd]], async () => {
        const key = `t/${keys.tenant}/${run.object}`;
        const object = await leafObjects(key, run.digest);
        const leaf = object.leaves[run.ordinal + step];
        const fits =
          leaf?.index === index &&
          leaf.blocks === Math.ceil((leafEnd - leafStart) / root.blockBytes) &&
          object.blockBytes === root.blockBytes &&
          object.leafBlocks * object.blockBytes === root.leafBytes;
        if (!fits) throw damaged(key, `it does not hold leaf ${index}`);
        await readLeaf(leaf, leafStart);
      });
    }
  }

  /** Blocks by pack, then by frame, so that each frame is fetched and opened once a leaf. */
  async function readLeaf(leaf, leafStart) {
    const byUnit = new Map();
    for (const run of leaf.runs) {
      for (let at = 0; run.unit && at < run.blocks; at++) {
        const entry = byUnit.get(run.unit.name) ?? { unit: run.unit, wanted: [] };
        entry.wanted.push({ slot: run.slot + at, offset: leafStart + (run.first + at) * root.blockBytes });
        byUnit.set(run.unit.name, entry);
      }
    }
    for (const { unit, wanted } of byUnit.values()) {
      await guarded(joined(wanted), async () => {
        const pack = await packs(unit.name, unit);
        if (pack.blockBytes !== root.blockBytes) throw damaged(pack.what, 'its blocks have another size');
        const byFrame = new Map();
        for (const one of wanted) {
          const frame = pack.frames.findLast(({ firstSlot }) => firstSlot <= one.slot);
          if (!frame || one.slot >= frame.firstSlot + frame.blocks)
            throw damaged(pack.what, `it has no slot ${one.slot}`);
          byFrame.set(frame, [...(byFrame.get(frame) ?? []), one]);
        }
        for (const group of neighbours([...byFrame.keys()])) await readFrames(pack, group, byFrame);
      });
    }
  }

  async function readFrames(pack, frames, byFrame) {
    const start = frames[0].start;
    const bytes = await data.get(pack.key, start, frames.at(-1).end);
    for (const frame of frames) {
      const wanted = byFrame.get(frame);
      await guarded(joined(wanted), async () => {
        const blocks = openFrame(keys, pack, frame, bytes.subarray(frame.start - start, frame.end - start));
        for (const { slot, offset } of wanted) {
          const block = blocks[slot - frame.firstSlot];
          const expected = Math.min(root.blockBytes, root.diskBytes - offset);
          if (block.length !== expected)
            throw damaged(pack.what, `slot ${slot} has ${block.length} bytes, not ${expected}`);
          await write(offset, block);
        }
      });
    }
  }

  /** [start, end) of these blocks on the disk, neighbours as one. */
  function joined(wanted) {
    const ranges = [];
    for (const { offset } of [...wanted].sort((a, b) => a.offset - b.offset)) {
      const end = Math.min(root.diskBytes, offset + root.blockBytes);
      if (ranges.at(-1)?.[1] === offset) ranges.at(-1)[1] = end;
      else ranges.push([offset, end]);
    }
    return ranges;
  }
}

/** Frames that follow each other in the pack, as groups to be fetched with one request each. */
function neighbours(frames) {
  const groups = [];
  for (const frame of frames.sort((a, b) => a.ordinal - b.ordinal)) {
    const group = groups.at(-1);
    if (group && group.at(-1).end === frame.start && frame.end - group[0].start <= READ_BYTES_MAX) group.push(frame);
    else groups.push([frame]);
  }
  return groups;
}

/** Remembers the `count` results used last. */
function keep(count, load) {
  const kept = new Map();
  return async (key, argument) => {
    const value = kept.get(key) ?? (await load(key, argument));
    kept.delete(key);
    kept.set(key, value);
    if (kept.size > count) kept.delete(kept.keys().next().value);
    return value;
  };
}

// -------------------------------------------------------------------------------------------------------- commands

async function restore(repository, options, print) {
  const { vm, point: wanted, disk: lun, out } = options;
  if (!vm || !wanted || !lun || !out) throw new ReaderError('usage', 'restore needs --vm, --point, --disk and --out');
  const point = await findPoint(repository, vm, wanted);
  const disk = diskOf(point, lun);
  const file = await open(out, 'wx').catch((error) => {
    throw new ReaderError('failed', `${out} cannot be created (${error.code})`);
  });
  const lost = [];
  let written = 0;
  try {
    // Never written, never read: what the manifest calls zeros stays a hole.
    await file.truncate(disk.sizeBytes);
    const write = async (offset, block) => {
      for (let at = 0; at < block.length; )
        at += (await file.write(block, at, block.length - at, offset + at)).bytesWritten;
      written += block.length;
    };
    await readDisk(
      repository,
      point,
      disk,
      write,
      options['skip-damaged'] ? (range, error) => lost.push({ range, error }) : undefined,
    );
    await file.sync();
  } finally {
    await file.close();
  }
  const report = {
    tenant: point.tenant,
    vm: point.vmKey,
    point: point.id,
    disk: disk.lun,
    sizeBytes: disk.sizeBytes,
    writtenBytes: written,
    damaged: lost.map(({ range, error }) => ({ start: range[0], end: range[1], why: error.message })),
  };
  print(report, () => [
    `${out}: disk ${disk.lun} of ${point.machine.name}, point ${point.id} of ${point.createdAt}`,
    `${disk.sizeBytes} bytes, of which ${written} are data; every block matches its id`,
    ...report.damaged.map(({ start, end, why }) => `LOST bytes ${start}-${end} (zeros in the image): ${why}`),
  ]);
  return lost.length > 0 ? exitCodes.damaged : 0;
}

async function verify(repository, options, print) {
  const { vm, point: wanted, disk: lun } = options;
  if (!vm || !wanted) throw new ReaderError('usage', 'verify needs --vm and --point');
  const point = await findPoint(repository, vm, wanted);
  const report = [];
  for (const disk of lun ? [diskOf(point, lun)] : point.disks) {
    let bytes = 0;
    const problems = [];
    const count = async (_offset, block) => {
      bytes += block.length;
    };
    await readDisk(repository, point, disk, count, (_range, error) => problems.push(error.message)).catch((error) => {
      if (!(error instanceof ReaderError) || !['damaged', 'missing'].includes(error.kind)) throw error;
      problems.push(`${error.message} (disk ${disk.lun})`);
    });
    report.push({ disk: disk.lun, sizeBytes: disk.sizeBytes, dataBytes: bytes, damaged: [...new Set(problems)] });
  }
  print({ point: point.id, disks: report }, () =>
    report.flatMap(({ disk, dataBytes, damaged: problems }) => [
      `disk ${disk}: ${dataBytes} bytes of data read, ${problems.length === 0 ? 'all right' : 'DAMAGED'}`,
      ...problems.map((problem) => `  ${problem}`),
    ]),
  );
  return report.some(({ damaged: problems }) => problems.length > 0) ? exitCodes.damaged : 0;
}

function diskOf(point, lun) {
  const disk = point.disks.find((one) => String(one.lun) === lun);
  if (!disk)
    throw new ReaderError(
      'missing',
      `point ${point.id} has disks ${point.disks.map((one) => one.lun).join(', ')}, no ${lun}`,
    );
  return disk;
}

async function list(repositories, print) {
  const tenants = [];
  for (const repository of repositories) {
    const { points, problems } = await readPoints(repository, undefined);
    tenants.push({
      tenant: repository.keys.tenant,
      points: points.map(({ point, recordMissing, predecessorMissing }) => ({
        vm: point.vmKey,
        name: point.machine?.name,
        point: point.id,
        createdAt: point.createdAt,
        disks: point.disks.map(({ lun, sizeBytes }) => ({ lun, sizeBytes })),
        ...(recordMissing ? { recordMissing } : {}),
        ...(predecessorMissing ? { predecessorMissing } : {}),
      })),
      damaged: problems.map(({ message }) => message),
    });
  }
  print({ tenants }, () =>
    tenants.flatMap(({ tenant, points, damaged: problems }) => [
      `tenant ${tenant}`,
      ...points.map(
        ({ vm, name, point, createdAt, disks, recordMissing, predecessorMissing }) =>
          `  ${createdAt}  ${vm}  ${name}  ${point}  disks ${disks.map(({ lun, sizeBytes }) => `${lun}:${sizeBytes}`).join(' ')}` +
          `${recordMissing ? '  (record missing, taken from its register)' : ''}` +
          `${predecessorMissing ? '  (the point before it is not here)' : ''}`,
      ),
      ...problems.map((problem) => `  DAMAGED ${problem}`),
    ]),
  );
  return tenants.some(({ damaged: problems }) => problems.length > 0) ? exitCodes.damaged : 0;
}

/** How to come to the root key of a tenant: exactly one of the four ways. */
async function keyReader(options) {
  const { 'key-file': file, 'escrow-key': escrow, 'root-key-file': rootFile, 'root-key': hex } = options;
  if ([file, escrow, rootFile, hex].filter((way) => way !== undefined).length !== 1) {
    throw new ReaderError('usage', 'give exactly one of --key-file, --escrow-key, --root-key-file, --root-key');
  }
  const read = (name) =>
    readFile(name).catch(() => {
      throw new ReaderError('usage', `the key file ${name} cannot be read`);
    });
  if (escrow !== undefined) {
    const unwrap = unwrapWithEscrow(await read(escrow));
    return (stores, tenant) => openRootKey(stores, tenant, unwrap);
  }
  const content = hex === undefined ? await read(file ?? rootFile) : Buffer.from(hex);
  const text = content.toString('latin1').trim();
  const key = /^[0-9a-f]{64}$/i.test(text) ? Buffer.from(text, 'hex') : content;
  if (key.length !== 32) throw new ReaderError('usage', 'a key has 32 bytes, or 64 hex digits');
  if (file === undefined) return async () => key;
  const unwrap = unwrapWithFile(key);
  return (stores, tenant) => openRootKey(stores, tenant, unwrap);
}

async function openStores(options) {
  const { data, bucket, control, region = process.env['AWS_REGION'], endpoint } = options;
  const controlBucket = options['control-bucket'];
  if ((data === undefined) === (bucket === undefined)) throw new ReaderError('usage', 'give either --data or --bucket');
  if (bucket !== undefined) {
    if (!region) throw new ReaderError('usage', '--bucket needs --region');
    const openBucket = (name) => bucketStore({ bucket: name, region, endpoint });
    return { data: openBucket(bucket), control: controlBucket === undefined ? undefined : openBucket(controlBucket) };
  }
  for (const folder of control === undefined ? [data] : [data, control]) {
    if (!(await stat(folder).catch(() => undefined))?.isDirectory())
      throw new ReaderError('missing', `there is no folder ${folder}`);
  }
  return { data: folderStore(data), control: control === undefined ? undefined : folderStore(control) };
}

/** @param {readonly string[]} args @returns {Promise<number>} the exit code */
async function main(args) {
  const text = { type: 'string' };
  const flag = { type: 'boolean' };
  const names = [
    'data',
    'control',
    'bucket',
    'control-bucket',
    'region',
    'endpoint',
    'key-file',
    'escrow-key',
    'root-key-file',
    'root-key',
    'tenant',
    'vm',
    'point',
    'disk',
    'out',
  ];
  let parsed;
  try {
    const options = {
      ...Object.fromEntries(names.map((name) => [name, text])),
      'skip-damaged': flag,
      json: flag,
      help: flag,
    };
    parsed = parseArgs({ args: [...args], options, allowPositionals: true });
  } catch (error) {
    throw new ReaderError('usage', error.message);
  }
  const { values, positionals } = parsed;
  if (values.help || positionals.length === 0) {
    process.stdout.write(HELP);
    return values.help ? 0 : exitCodes.usage;
  }
  const [command] = positionals;
  if (positionals.length !== 1 || !['list', 'restore', 'verify'].includes(command)) {
    throw new ReaderError('usage', `unknown command ${positionals.join(' ')}; see --help`);
  }
  const print = (report, lines) =>
    process.stdout.write(`${values.json ? JSON.stringify(report, undefined, 2) : lines().join('\n')}\n`);
  const stores = await openStores(values);
  const rootKeyOf = await keyReader(values);
  const tenants = values.tenant === undefined ? await stores.data.folders('t/') : [values.tenant];
  if (tenants.length === 0) throw new ReaderError('missing', 'there is no tenant: the copy must have a folder t/');
  const repositories = [];
  for (const tenant of tenants)
    repositories.push({ ...stores, keys: deriveKeys(await rootKeyOf(stores, tenant), tenant) });
  if (command === 'list') return await list(repositories, print);
  if (repositories.length > 1) throw new ReaderError('usage', `give --tenant, one of: ${tenants.join(', ')}`);
  return await (command === 'restore' ? restore : verify)(repositories[0], values, print);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  main(process.argv.slice(2)).then(
    (code) => {
      process.exitCode = code;
    },
    (error) => {
      process.stderr.write(`${error instanceof ReaderError ? error.message : (error?.stack ?? error)}\n`);
      process.exitCode = exitCodes[error?.kind] ?? exitCodes.failed;
    },
  );
}

export { blake3, deriveKeys, openSealed, parseLeaves, parseRoot };
