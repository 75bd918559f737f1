import { fileURLToPath } from 'node:url';
import { defineRoom, defineServer } from '@colyseus/core';
import express from 'express';
import { ArenaRoom } from './room/arena-room.ts';

const pages = fileURLToPath(new URL('./dist/', import.meta.url));

export default defineServer({
  rooms: { arena: defineRoom(ArenaRoom) },
  greet: false,
  express: (app) => {
    app.use(express.static(pages, { extensions: ['html'], maxAge: 0 }));
  },
});
