// What a dialog that links an account has to show. No document, no network.

/** The statuses of an attempt that goes on. */
export const LINKING = new Set(['loading', 'qr', 'pairing']);

/**
 * What to show of an account at this time. `method` (`qr` or `code`) is what the user looks at, `asked` the method of
 * the attempt that was asked for, if there is one.
 *
 * `phase` is one of `choose`, `waiting`, `shown-qr`, `shown-code`, `expired-qr`, `expired-code`, `accepted`, `linked`, `failed`, `gone`.
 */
export function linkView(account, { method, asked }, now) {
  if (!account) return { ...NOTHING, phase: 'gone' };
  const { status, isLoggedIn, link } = account;
  if (status === 'ready' || status === 'disconnected' || (status === 'idle' && isLoggedIn)) {
    return { ...NOTHING, phase: 'linked' };
  }
  if (status === 'authenticated' || (status === 'loading' && isLoggedIn)) return { ...NOTHING, phase: 'accepted' };
  if (!LINKING.has(status) && !asked) {
    return { ...NOTHING, phase: status === 'error' ? 'failed' : 'choose', canStart: true };
  }
  const shown = method === 'qr'
    ? { text: link.qrCode, until: link.qrExpiresAt }
    : { text: link.pairingCode, until: link.codeExpiresAt };
  const going = { ...NOTHING, canCancel: true };
  if (shown.text && (shown.until === null || now < shown.until)) {
    const left = shown.until === null ? null : shown.until - now;
    return { ...going, phase: `shown-${method}`, [method]: shown.text, left };
  }
  if (asked && asked !== method) return { ...going, phase: 'choose', canStart: true };
  const isDue = method === 'code' && status === 'pairing';
  if (!shown.text && !isDue) return { ...going, phase: 'waiting' };
  // The next QR code comes by itself; a code is made when somebody asks for it.
  return { ...going, phase: `expired-${method}`, canRefresh: method === 'code' };
}

const NOTHING = Object.freeze({
  phase: '', qr: null, code: null, left: null, canStart: false, canRefresh: false, canCancel: false,
});
