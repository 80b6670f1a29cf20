// What people type, checked before it is sent. The server checks again; its word counts.

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const PHONE = /^[1-9][0-9]{6,14}$/;

/** Whether this is a name for addresses. */
export function isName(text) {
  return NAME.test(text);
}

/** Whether this is a number: digits with the country code, and nothing else. */
export function isPhone(text) {
  return PHONE.test(text);
}

/** A name for addresses made of what people call it; empty when nothing of it can be in one. */
export function nameFrom(displayName) {
  return displayName
    .normalize('NFKD')
    .replace(/[\u0300-\u036f]/g, '')
    .toLowerCase()
    .replace(/[^a-z0-9._-]+/g, '-')
    .replace(/^[^a-z0-9]+/, '')
    .slice(0, 64)
    .replace(/[-._]+$/, '');
}

/** The letter that stands for a name. */
export function initial(displayName) {
  const first = [...displayName.trim()].find((character) => /\p{L}|\p{N}/u.test(character));
  return (first ?? '?').toLocaleUpperCase();
}
