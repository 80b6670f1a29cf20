import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';

import en from '../../page/texts/en.js';
import id from '../../page/texts/id.js';

const PAGE = new URL('../../page/', import.meta.url);
const parameters = (text) => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();

test('both languages have the same texts, with the same parameters', () => {
  assert.deepEqual(Object.keys(id).sort(), Object.keys(en).sort());
  for (const [name, text] of Object.entries(en)) {
    assert.deepEqual(parameters(id[name]), parameters(text), name);
    assert.equal(id[name].split('\n').length, text.split('\n').length, name);
  }
});

// R087, R115, 4.11: what the library can say, the page can say in both languages.
test('every status, reason, action and error of the manager has a text', () => {
  const rust = (name) => readFileSync(new URL(`../../../../wa-manager/src/${name}`, import.meta.url), 'utf8');
  const body = (source, head) => {
    const from = source.indexOf(head);
    assert.ok(from >= 0, head);
    return source.slice(from, source.indexOf('\n}', from));
  };
  const variants = (source, name) => [...body(source, `pub enum ${name} {`).matchAll(/^ {4}([A-Z]\w*),$/gm)]
    .map(([, variant]) => variant.replace(/(?!^)[A-Z]/g, '_$&').toLowerCase());
  const codes = (source) => [...body(source, 'pub const fn code(&self)').matchAll(/=> "(\w+)"/g)].map(([, code]) => code);
  const status = rust('account/status.rs');
  const walked = [
    ['status', variants(status, 'AccountStatus'), 8],
    ['reason', variants(status, 'ReasonKind'), 20],
    // Nothing is to be done: nothing is said.
    ['action', variants(status, 'UserAction').filter((name) => name !== 'none'), 5],
    ['problem', codes(rust('manager/error.rs')), 15],
    ['problem', codes(rust('pairing/error.rs')), 15],
  ];
  for (const [kind, names, least] of walked) {
    assert.ok(names.length >= least, `${kind}: ${names}`);
    for (const name of names) {
      assert.ok(Object.hasOwn(en, `${kind}.${name}`) && Object.hasOwn(id, `${kind}.${name}`), `${kind}.${name}`);
    }
  }
});

test('every text that the page names is there', () => {
  const files = [...readdirSync(PAGE), ...readdirSync(new URL('dialogs/', PAGE)).map((name) => `dialogs/${name}`)];
  const source = files.filter((name) => /\.(js|html)$/.test(name))
    .map((name) => readFileSync(new URL(name, PAGE), 'utf8')).join('\n');
  const named = [...source.matchAll(/(?:\bt\(|data-i18n(?:-label)?=)['"]([\w.-]+)['"]/g)].map(([, name]) => name);
  assert.ok(named.length > 80);
  for (const name of named) assert.ok(Object.hasOwn(en, name), name);
});
