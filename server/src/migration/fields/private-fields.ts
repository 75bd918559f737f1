// Finds `#private` data fields from a class's source text: they are the one thing no outsider can read.
import { isNativeCode, sourceOf } from './fingerprint.ts';

const REGEX_MAY_FOLLOW =
  /(?:^|[=([{,;:!&|?+\-*%~^<>}]|\b(?:return|typeof|case|in|of|delete|void|throw|new|else|do|await|yield))\s*$/;

/** The source with comments, strings, template text and regular expressions blanked, length unchanged. */
export function maskSource(src: string): string {
  const out = src.split('');
  const blank = (from: number, to: number) => {
    for (let j = from; j < to && j < out.length; j++) if (out[j] !== '\n') out[j] = ' ';
  };
  const templates: number[] = []; // depth of braces at which a `${` opened
  let depth = 0;
  let i = 0;
  const template = (from: number) => {
    let j = from;
    while (j < src.length && src[j] !== '`' && !(src[j] === '$' && src[j + 1] === '{'))
      j += src[j] === '\\' ? 2 : 1;
    blank(from, j);
    if (src[j] === '$') {
      templates.push(depth++);
      blank(j, j + 1);
      return j + 2;
    }
    return j + 1;
  };
  while (i < src.length) {
    const c = src[i]!;
    if (c === '/' && (src[i + 1] === '/' || src[i + 1] === '*')) {
      const line = src[i + 1] === '/';
      let end = src.indexOf(line ? '\n' : '*/', i + 2);
      end = end < 0 ? src.length : line ? end : end + 2;
      blank(i, end);
      i = end;
    } else if (c === '"' || c === "'") {
      let j = i + 1;
      while (j < src.length && src[j] !== c) j += src[j] === '\\' ? 2 : 1;
      blank(i + 1, j);
      i = j + 1;
    } else if (c === '`') i = template(i + 1);
    else if (c === '/' && REGEX_MAY_FOLLOW.test(out.slice(Math.max(0, i - 24), i).join(''))) {
      let j = i + 1;
      for (let set = false; j < src.length && (set || src[j] !== '/') && src[j] !== '\n'; j++) {
        if (src[j] === '\\') j++;
        else if (src[j] === '[') set = true;
        else if (src[j] === ']') set = false;
      }
      blank(i, j + 1);
      i = j + 1;
    } else {
      if (c === '{') depth++;
      if (c === '}') {
        depth--;
        if (templates.length > 0 && templates[templates.length - 1] === depth) {
          templates.pop();
          i = template(i + 1);
          continue;
        }
      }
      i++;
    }
  }
  return out.join('');
}

/** Index just after the class body's `{`: the first brace outside of parentheses. */
function bodyStart(masked: string): number {
  for (let i = 0, parens = 0; i < masked.length; i++) {
    if (masked[i] === '(') parens++;
    else if (masked[i] === ')') parens--;
    else if (masked[i] === '{' && parens === 0) return i + 1;
  }
  return masked.length;
}

const LITERAL = /^(?:-?[\d.][\w.]*|true|false|null|'[^'\\\n]*'|"[^"\\\n]*")\s*(?:;|\n|\}|$)/;

/** A field whose initializer is a function is code, not data; one with a literal nobody assigns to is a constant. */
function isData(name: string, src: string, masked: string, after: number): boolean {
  const equals = masked.slice(after).match(/^\s*=\s*/);
  if (!equals) return true;
  const at = after + equals[0].length;
  const rest = masked.slice(at);
  if (/^(?:async\b\s*)?(?:function\b|[\w$]+\s*=>)/.test(rest)) return false;
  const parens = rest.match(/^(?:async\b\s*)?\(/);
  if (parens) {
    let depth = 0;
    for (let i = parens[0].length - 1; i < rest.length; i++) {
      if (rest[i] === '(') depth++;
      else if (rest[i] === ')' && --depth === 0) {
        if (/^\)\s*=>/.test(rest.slice(i))) return false;
        break;
      }
    }
  }
  if (!LITERAL.test(src.slice(at))) return true;
  const uses = masked.slice(0, after - name.length) + ' '.repeat(name.length) + masked.slice(after);
  const id = name.replace(/\$/g, '\\$');
  return new RegExp(
    `${id}(?![\\w$])\\s*(?:(?:[-+*/%&|^]|\\*\\*|<<|>>>?|&&|\\|\\||\\?\\?)?=(?![=>])|\\+\\+|--)|(?:\\+\\+|--)\\s*[\\w$.]*${id}(?![\\w$])|[[{,]\\s*[\\w$.: ]*${id}\\s*[,\\]}]`,
  ).test(uses);
}

/** Private fields that a compiler turned into WeakMaps (esbuild, tsc and swc for old targets). */
function lowered(masked: string): string[] {
  const names = new Set<string>();
  for (const m of masked.matchAll(/__privateAdd\(\s*this\s*,\s*_{1,2}(\w+)/g)) {
    const name = m[1]!;
    if (name.endsWith('_instances') || new RegExp(`__privateMethod\\(this,\\s*_${name}\\b`).test(masked))
      continue;
    names.add(name);
  }
  for (const m of masked.matchAll(/\b_(?:[A-Za-z$][\w$]*?_)?([A-Za-z$][\w$]*)\.set\(this,/g))
    names.add(m[1]!);
  for (const m of masked.matchAll(/_class_?[pP]rivate_?[fF]ield_?[iI]nit(?:Spec)?\(\s*this\s*,\s*_(\w+)/g))
    names.add(m[1]!);
  return [...names].map((name) => `#${name}`);
}

const known = new WeakMap<Function, string[]>();

/** Names (`#seed`) of the private data fields which the class itself declares; its parents' are not included. */
export function privateFieldsOf(klass: Function): string[] {
  let found = known.get(klass);
  if (!found) known.set(klass, (found = scan(klass)));
  return found;
}

function scan(klass: Function): string[] {
  const src = sourceOf(klass);
  if (isNativeCode(klass) || !/#|__privateAdd|_class_?[pP]rivate|\.set\(this,/.test(src)) return [];
  const masked = maskSource(src);
  const found: string[] = lowered(masked);
  let depth = 0;
  for (let i = bodyStart(masked); i < masked.length; i++) {
    const c = masked[i]!;
    if (c === '{' || c === '(' || c === '[') depth++;
    else if (c === '}' || c === ')' || c === ']') {
      if (--depth < 0) break;
    } else if (c === '#' && depth === 0) {
      const name = masked.slice(i).match(/^#[\w$]+/)?.[0];
      if (!name) continue;
      const after = i + name.length;
      const before = masked.slice(Math.max(0, i - 40), i).trimEnd();
      const next = masked.slice(after, after + 40).trimStart();
      const isUse = before.endsWith('.') || /^in\b/.test(next);
      const isMethod = next.startsWith('(') || /(?:\b(?:get|set|async)|\*)$/.test(before);
      if (
        !isUse &&
        !isMethod &&
        !/\bstatic(?:\s+accessor)?$/.test(before) &&
        isData(name, src, masked, after)
      )
        found.push(name);
      i = after - 1;
    }
  }
  return found;
}

export interface PrivateField {
  className: string;
  field: string;
}

/** Private data fields along the chain of classes, from `klass` up to but not including `stop`. */
export function privateFieldsOfChain(klass: Function, stop?: Function): PrivateField[] {
  const all: PrivateField[] = [];
  for (
    let k: any = klass;
    typeof k === 'function' && k !== stop && k !== Function.prototype;
    k = Object.getPrototypeOf(k)
  ) {
    for (const field of privateFieldsOf(k)) all.push({ className: k.name || '(anonymous)', field });
  }
  return all;
}
