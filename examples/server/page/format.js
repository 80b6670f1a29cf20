// Times as people read them, in their language.

/** What is left as `m:ss`, never below zero. */
export function countdown(milliseconds) {
  const seconds = Math.max(0, Math.ceil(milliseconds / 1000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}

/** A date with its time. */
export function dateTime(at, language) {
  return new Intl.DateTimeFormat(language, { dateStyle: 'medium', timeStyle: 'short' }).format(new Date(at));
}

const UNITS = [['day', 86_400_000], ['hour', 3_600_000], ['minute', 60_000]];

/** How long ago something was, in its largest unit. */
export function ago(at, now, language) {
  const passed = Math.max(0, now - at);
  const relative = new Intl.RelativeTimeFormat(language, { numeric: 'auto' });
  for (const [unit, size] of UNITS) {
    if (passed >= size) return relative.format(-Math.floor(passed / size), unit);
  }
  return relative.format(0, 'minute');
}

/** How long to wait, in its largest unit, rounded up. */
export function wait(seconds, language) {
  const format = (unit, size) =>
    new Intl.NumberFormat(language, { style: 'unit', unit, unitDisplay: 'long' }).format(Math.ceil(seconds / size));
  if (seconds >= 2 * 86_400) return format('day', 86_400);
  if (seconds >= 2 * 3600) return format('hour', 3600);
  if (seconds >= 120) return format('minute', 60);
  return format('second', 1);
}

/** A code to be typed, as `XXXX-XXXX`. */
export function groupedCode(code) {
  const plain = code.replaceAll('-', '');
  return plain.length === 8 ? `${plain.slice(0, 4)}-${plain.slice(4)}` : code;
}
