// The app of a service that was started for functions alone.
import { defineServer } from '@colyseus/core';

export default defineServer({ rooms: {} });
