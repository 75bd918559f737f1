// The Colyseus app: rooms of the game, once it has some, and the page in public/.
import { defineServer } from '@colyseus/core';
import express from 'express';

export default defineServer({
  rooms: {},
  greet: false,
  express: (app) => {
    app.use(express.static('public'));
  },
});
