// What to do about each kind of problem: one place, so that the documentation and the messages agree.

export const HINTS = {
  closure:
    'Make it a method of the room, pass the function to registerMovable(fn) under its own name, or create it in onCreate() so that the target has it too.',
  replaced:
    'The target has another function here. Make both methods of the room, or pass them to registerMovable(fn).',
  timer:
    'Use a method of the room as the handler (this.method or this.method.bind(this)) or start the timer in onCreate().',
  rawTimer: 'Use this.clock.setTimeout() / this.clock.setInterval(): the room’s clock moves with the room.',
  otherClock: 'Use this.clock: timers of a clock of your own are not seen.',
  native:
    'Create it in onCreate() (the target then uses its own), list the field in `static localFields`, or rebuild it in onRestoreRoom() from what onCacheRoom() returns.',
  lost: 'Keep plain data instead, or carry it with onCacheRoom() / onRestoreRoom().',
  wasm: 'Return a snapshot of it from onCacheRoom() and load that in onRestoreRoom().',
  weak: 'Nobody can list what it holds. Use a Map or Set, or rebuild it in onRestoreRoom().',
  proxy: 'Keep the plain object in the field, or rebuild the Proxy in onRestoreRoom().',
  promise: 'Keep the result instead of the promise, or start the work again in onRestoreRoom().',
  privateRoom:
    'Private fields cannot be read from outside: use TypeScript’s `private`, or carry the value with onCacheRoom() / onRestoreRoom().',
  privateClass:
    'Private fields cannot be read from outside: use TypeScript’s `private`, or add toBaton() and fromBaton(data) to the class.',
  unknownClass: 'List the class in `static movableClasses` of the room, or pass it to registerMovable().',
  twoClasses: 'Two classes share this name: rename one.',
  anonymousClass: 'Give the class a name and pass it to registerMovable().',
  accessor: 'Define the getter or setter in a class or in onCreate() so that the target has it too.',
  symbol: 'Use Symbol.for(): the target can find only registered symbols.',
  schema: 'Schema instances move with the room’s state: assign this.state first.',
  fromBaton: 'Let the class be constructed without arguments, or create the instance in onCreate().',
  hookFailed: 'toBaton() must return plain data without side effects.',
  missing: 'The target’s code does not have it. Deploy code in which it exists.',
  kept: 'The target uses the one its own onCreate() made; what this one has learnt stays behind. Pass the class to registerMovable() if its fields should move.',
  hooked: 'Left to onCacheRoom() / onRestoreRoom().',
} as const;
