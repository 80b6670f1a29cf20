// What time it is at the server: expiries are its times, and the clock of this machine may be off.

let offset = 0;

/** Learns the server's time from a frame that just came. */
export function hearTime(ts) {
  const at = toMillis(ts);
  if (at !== null) offset = at - Date.now();
}

/** The server's time, in milliseconds since 1970. */
export function serverNow() {
  return Date.now() + offset;
}

/** A time of the wire in milliseconds since 1970: a number of them, or an RFC 3339 text. */
export function toMillis(time) {
  if (typeof time === 'number' && Number.isFinite(time)) return time;
  if (typeof time === 'string') {
    const parsed = Date.parse(time);
    return Number.isNaN(parsed) ? null : parsed;
  }
  return null;
}
