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

test('every text that the page names is there', () => {
  const files = [...readdirSync(PAGE), ...readdirSync(new URL('dialogs/', PAGE)).map((name) => `dialogs/${name}`)];
  const source = files.filter((name) => /\.(js|html)$/.test(name))
    .map((name) => readFileSync(new URL(name, PAGE), 'utf8')).join('\n');
  const named = [...source.matchAll(/(?:\bt\(|data-i18n(?:-label)?=)['"]([\w.-]+)['"]/g)].map(([, name]) => name);
  assert.ok(named.length > 80);
  for (const name of named) assert.ok(Object.hasOwn(en, name), name);
});
