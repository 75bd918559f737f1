// One player: opens a socket on the mapping "duel" and talks to whoever the matchmaker finds.
// A token says who the player is. In development any text does; in production it is a JWT of yours.
const token = `player-${crypto.getRandomValues(new Uint32Array(1))[0]}`;
// The matchmaker is told what stands behind the ? of the page's address.
const options = JSON.stringify(Object.fromEntries(new URLSearchParams(location.search)));
const socket = new WebSocket(
  `${location.origin.replace('http', 'ws')}/v1/socket/duel?options=${encodeURIComponent(options)}`,
  ['baton.v1', `baton.token.${token}`],
);
const status = document.querySelector('#status');
const said = document.querySelector('#said');
const [input, button] = document.querySelectorAll('input, button');

function show(text, mine = false) {
  const line = document.createElement('li');
  line.textContent = text;
  line.classList.toggle('mine', mine);
  said.append(line);
}

const events = {
  open: () => 'Waiting for an opponent: open this page in a second tab.',
  linked: () => 'Linked. What you say goes to your opponent.',
  'peer-left': () => 'Your opponent has left.',
  error: ({ code, message }) => `${code}: ${message}`,
};

socket.addEventListener('message', ({ data }) => {
  // What the service itself says begins with U+0001; all else comes from the opponent.
  if (!data.startsWith('\u0001')) return show(data);
  const { event, ...rest } = JSON.parse(data.slice(1));
  status.textContent = events[event]?.(rest) ?? event;
  input.disabled = button.disabled = event !== 'linked';
});
socket.addEventListener('close', ({ code, reason }) => {
  status.textContent = `Closed (${code}${reason && `: ${reason}`}). Reload the page to play again.`;
  input.disabled = button.disabled = true;
});

document.querySelector('form').addEventListener('submit', (submitted) => {
  submitted.preventDefault();
  socket.send(input.value);
  show(input.value, true);
  input.value = '';
});
