// A peer that takes a connection and drops it before the caller has said a word.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { BatonError } from '../../server/src/errors.ts';
import { Handoff } from '../../server/src/handoff/index.ts';
import { libc } from '../../server/src/handoff/libc.ts';
import { listenAt } from '../../server/src/handoff/socket-file.ts';

const { connectPath } = libc;
let dir: string;
const ends: (() => unknown)[] = [];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'bh-'));
});
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
  (libc as { connectPath: typeof connectPath }).connectPath = connectPath;
  rmSync(dir, { recursive: true, force: true });
});

test('a peer that hangs up while the connection is made is gone, and nothing was delivered', async () => {
  const own = await Handoff.listen({ path: join(dir, 'own.sock') });
  const path = join(dir, 'peer.sock');
  const peer = listenAt(path);
  ends.push(
    () => own.close(),
    () => peer.remove(),
    () => libc.close(peer.fd),
  );
  (libc as { connectPath: typeof connectPath }).connectPath = (to) => {
    const fd = connectPath(to);
    libc.close(libc.accept(peer.fd));
    return fd;
  };
  const error = await own.call(path, 'anything', null, { timeoutMs: 2_000 }).then(
    () => undefined,
    (thrown: BatonError) => thrown,
  );
  expect(error).toMatchObject({ code: 'BATON_HANDOFF_PEER_GONE', details: { delivered: false } });
});
