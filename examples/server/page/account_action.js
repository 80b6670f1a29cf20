// What the button of a card does. No document, no network.

const RELINK = new Set(['logged_out', 'credentials_rejected']);

/** `start`, `stop`, `link` (to a phone) or `show` (what is to be scanned or typed). */
export function accountAction({ status, isLoggedIn, reason }) {
  if (status === 'qr' || status === 'pairing') return 'show';
  const isAtRest = status === 'idle' || status === 'error';
  if (!isLoggedIn || (isAtRest && RELINK.has(reason?.kind))) return isAtRest || status === 'disconnected' ? 'link' : 'show';
  return isAtRest ? 'start' : 'stop';
}

/** What restrictions forbid, as names of texts, and until when the longest lasts (`null`: until somebody acts). */
export function restrictionOf(restrictions) {
  if (!restrictions.length) return null;
  const ends = restrictions.map((it) => it.until ?? null);
  const until = ends.includes(null) ? null : Math.max(...ends);
  return { names: [...new Set(restrictions.map(restrictionName))], until };
}

/** The lanes that a ban closes (`lane_status`, …) have one text. */
function restrictionName({ kind }) {
  return kind.startsWith('lane_') ? 'lane' : kind;
}
