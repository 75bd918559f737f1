// One player: opens a socket on the mapping "duel" and talks to whoever the matchmaker finds.
import { Baton } from '@baton/client';

const status = document.querySelector('#status');
const said = document.querySelector('#said');
const [input, button] = document.querySelectorAll('input, button');

function show(text, mine = false) {
  const line = document.createElement('li');
  line.textContent = text;
  line.classList.toggle('mine', mine);
  said.append(line);
}

function say(what, linked) {
  status.textContent = what;
  input.disabled = button.disabled = !linked;
}

const socket = await new Baton(location.origin).open('duel', {
  // Who the player is. In development any text does; in production it is a JWT of yours.
  token: `player-${crypto.getRandomValues(new Uint32Array(1))[0]}`,
  // Told to the matchmaker: what stands behind the ? of the page's address.
  attributes: Object.fromEntries(new URLSearchParams(location.search)),
});
say('Waiting for an opponent: open this page in a second tab.', false);
socket.on('linked', () => say('Linked. What you say goes to your opponent.', true));
socket.on('message', (text) => show(text));
socket.on('peer-left', () => say('Your opponent has left.', false));
socket.on('reconnecting', () => say('The connection is lost. Reconnecting …', true));
socket.on('resumed', () => say('Linked. What you say goes to your opponent.', true));
socket.on('error', ({ code, message }) => say(`${code}: ${message}`, false));
socket.on('close', (code, reason) =>
  say(`Closed (${code} ${reason}). Reload the page to play again.`, false),
);

document.querySelector('form').addEventListener('submit', (submitted) => {
  submitted.preventDefault();
  socket.peer.send(input.value);
  show(input.value, true);
  input.value = '';
});
