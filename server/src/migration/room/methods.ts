// Async methods of the app's rooms, followed: calls made in this process (remoteRoomCall() to a room of the same host,
// or straight through getLocalRoomById()) pass no gate, and one that is under way must be through before a move.
import { matchMaker, Room } from '@colyseus/core';
import { standsFor } from '../fields/index.ts';
import { trackOf } from './track.ts';

const followed = new WeakSet<object>();
const AsyncFunction = (async () => {}).constructor as FunctionConstructor;

/** Wraps the async methods of a room class and its bases below Room; hooks (`onJoin`…) are followed elsewhere. */
export function followMethods(klass: Function): void {
  for (let proto = klass.prototype; proto && proto !== Room.prototype; proto = Object.getPrototypeOf(proto)) {
    if (followed.has(proto)) return;
    followed.add(proto);
    for (const [name, descriptor] of Object.entries(Object.getOwnPropertyDescriptors(proto))) {
      const method = (descriptor as PropertyDescriptor).value;
      if (!(method instanceof AsyncFunction) || /^on[A-Z]/.test(name)) continue;
      Object.defineProperty(proto, name, {
        ...(descriptor as PropertyDescriptor),
        value: wrap(method, name),
      });
    }
  }
}

/** Call when the app is loaded, before its rooms are made: what they keep of their methods is then followed, too. */
export function followAppRooms(): void {
  for (const { klass } of Object.values(matchMaker.getAllHandlers())) followMethods(klass);
}

function wrap(method: Function, name: string): Function {
  const wrapper = function (this: Room, ...args: unknown[]) {
    const result = method.apply(this, args);
    return this instanceof Room ? trackOf(this).follow(`${name}()`, result) : result;
  };
  Object.defineProperty(wrapper, 'name', { value: method.name, configurable: true });
  Object.defineProperty(wrapper, 'length', { value: method.length, configurable: true });
  standsFor(wrapper, method);
  return wrapper;
}
