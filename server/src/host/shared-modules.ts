// A CommonJS app requires its packages: it must get the very modules that this process has imported, or its rooms
// would belong to another matchmaker.
import Module from 'node:module';
import * as core from '@colyseus/core';
import * as schema from '@colyseus/schema';
import * as timer from '@colyseus/timer';

const SHARED = new Map<string, object>([
  ['@colyseus/core', core],
  ['@colyseus/schema', schema],
  ['@colyseus/timer', timer],
]);

let shared = false;

/** From now on `require` of these packages gives what `import` gave. */
export function shareModules(): void {
  if (shared) return;
  shared = true;
  const loader = Module as unknown as { _load: (request: string, ...rest: unknown[]) => unknown };
  // A resolved file name would not do: loaders that compile while loading make another module of the same file.
  const stock = loader._load;
  loader._load = function (this: unknown, request, ...rest) {
    return SHARED.get(request) ?? stock.call(this, request, ...rest);
  };
}
