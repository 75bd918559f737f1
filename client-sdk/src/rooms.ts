// `@baton/client/rooms`: what a game with rooms needs of Colyseus' SDK, in the version that this package works with.
export * from '@colyseus/sdk';
