/** The element with this id; the pages and their scripts are built together, so a missing one is a mistake here. */
export function element<T extends HTMLElement = HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`#${id} is not on the page`);
  return found as T;
}

/** Sets a text only when it differs; the layout is left alone otherwise. */
export function setText(target: HTMLElement, text: string): boolean {
  if (target.textContent === text) return false;
  target.textContent = text;
  return true;
}

/** Lets a figure light up once. */
export function flash(target: HTMLElement): void {
  target.classList.remove('changed');
  void target.offsetWidth;
  target.classList.add('changed');
}

export interface Toast {
  done(text: string, detail?: string): void;
  failed(text: string, detail?: string): void;
}

/** Shows what is going on until it is done or has failed. */
export function toast(text: string): Toast {
  const box = document.createElement('div');
  box.className = 'toast';
  box.textContent = text;
  const toasts = element('toasts');
  toasts.append(box);
  while (toasts.children.length > 4) toasts.firstElementChild!.remove();
  const end = (kind: 'done' | 'failed', message: string, detail?: string) => {
    box.classList.add(kind);
    box.textContent = message;
    if (detail) {
      const small = document.createElement('small');
      small.textContent = detail;
      box.append(small);
    }
    setTimeout(() => box.remove(), kind === 'done' ? 5_000 : 9_000);
  };
  return {
    done: (message, detail) => end('done', message, detail),
    failed: (message, detail) => end('failed', message, detail),
  };
}
