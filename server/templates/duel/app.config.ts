// The Colyseus app: rooms of the game, once it has some, and the page in public/.
import { defineServer } from '@colyseus/core';
import express from 'express';

export default defineServer({
  rooms: {},
  greet: false,
  express: (app) => {
    app.use(express.static('public'));
    // The page loads it as it is; what is built for players is bundled.
    app.use('/client', express.static('node_modules/@baton/client/dist'));
  },
});
