import 'uplot/dist/uPlot.min.css';
import './base.css';
import './frame.css';
import './views.css';
import './narrow.css';
import { createRoot } from 'react-dom/client';
import { App } from './app.tsx';
import { signIn } from './model.ts';
import { readSession, takeKeyFromAddress } from './session.ts';
import { startTheme } from './theme.ts';

takeKeyFromAddress();
// a link may be followed in a tab that has the page already
addEventListener('hashchange', () => {
  if (!location.hash.startsWith('#token=')) return;
  takeKeyFromAddress();
  signIn(readSession()!);
});
startTheme();
const session = readSession();
if (session) signIn(session);
createRoot(document.getElementById('root')!).render(<App />);
