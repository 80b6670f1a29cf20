// The accounts as this page knows them: in memory only, from snapshots and what changed since. Never older news over
// newer: what an account's events tell goes by `seq`, what people set goes by `version`. No document, no network.

import { toMillis } from './clock.js';

const NOT_LINKING = Object.freeze({ qrCode: null, qrExpiresAt: null, pairingCode: null, codeExpiresAt: null });
const LINKING = new Set(['loading', 'qr', 'pairing']);

export function createStore() {
  const accounts = new Map();
  const deleted = new Set();
  const listeners = new Set();
  let seq = 0;
  let marks = 0;

  const tell = () => {
    for (const listener of [...listeners]) listener();
  };

  function snapshot(it) {
    if (deleted.has(it.id)) return;
    const known = accounts.get(it.id);
    const next = known ? { ...known } : { ...EMPTY, id: it.id, name: it.name };
    if (!known || it.seq >= known.seq) {
      const isSameReason = known?.reason?.kind === it.reason?.kind;
      Object.assign(next, {
        displayName: it.displayName,
        status: it.status,
        reason: it.reason ?? null,
        userAction: isSameReason ? next.userAction : null,
        seq: it.seq,
        isLoggedIn: it.isLoggedIn,
        phoneNumber: it.phoneNumber ?? null,
        trust: { ...next.trust, ...it.trust },
        lastActiveAt: it.lastActiveAt ?? null,
        battery: it.battery ?? null,
        link: LINKING.has(it.status) ? next.link : NOT_LINKING,
      });
    }
    if (!next.settings || it.version >= next.version) {
      next.settings = it.settings;
      next.version = it.version;
    }
    accounts.set(it.id, next);
  }

  function update(it, before, isFromBoard = false) {
    const known = before ?? { ...EMPTY, id: it.accountId, name: it.name };
    const isLinking = LINKING.has(it.status);
    const next = {
      ...known,
      displayName: it.displayName ?? known.displayName ?? it.name,
      status: it.status,
      reason: it.reason ?? null,
      userAction: it.userAction ?? null,
      seq: it.accountSeq,
      isLoggedIn: it.isLoggedIn ?? loggedIn(it, known),
      phoneNumber: it.phoneNumber ?? (isLinking ? known.phoneNumber : null),
      trust: { ...known.trust, ...limits(it) },
      lastActiveAt: it.lastActiveAt === undefined ? known.lastActiveAt : it.lastActiveAt,
      battery: it.battery ?? null,
      link: isLinking ? link(it) : NOT_LINKING,
    };
    if (it.retryAt && next.reason) next.reason = { ...next.reason, retryAt: it.retryAt };
    if (it.settings && it.version >= known.version) {
      next.settings = it.settings;
      next.version = it.version;
    }
    // What an update leaves out is asked for where it cannot be known.
    const isGuess = it.isLoggedIn === undefined && it.status !== known.status && !LINKING.has(it.status);
    if (isGuess || !next.settings || (isFromBoard && !it.settings)) next.staleMark = ++marks;
    accounts.set(it.accountId, next);
  }

  const deltas = {
    'whatsapp-all-statuses'(data) {
      const before = new Map(accounts);
      accounts.clear();
      deleted.clear();
      for (const it of data.accounts) {
        const known = before.get(it.accountId);
        // The board is the truth even where a restored database went back.
        update(it, known && { ...known, version: 0 }, true);
      }
      seq = data.seq;
    },
    'whatsapp-status'(data) {
      if (deleted.has(data.accountId)) return;
      const known = accounts.get(data.accountId);
      if (!known || data.accountSeq >= known.seq) update(data, known);
    },
    'whatsapp-deleted'(data) {
      deleted.add(data.accountId);
      accounts.delete(data.accountId);
    },
    'whatsapp-pairing-code'(data) {
      const known = accounts.get(data.accountId);
      if (!known) return;
      const code = { pairingCode: data.code, codeExpiresAt: toMillis(data.expiresAt) };
      accounts.set(known.id, { ...known, link: { ...known.link, ...code } });
    },
    'whatsapp-usage'(data) {
      const known = accounts.get(data.accountId);
      if (!known) return;
      const lastActiveAt = data.lastActiveAt === undefined ? known.lastActiveAt : data.lastActiveAt;
      const seq = Math.max(known.seq, data.accountSeq ?? known.seq);
      accounts.set(known.id, { ...known, lastActiveAt, seq, trust: { ...known.trust, ...limits(data) } });
    },
    'whatsapp-restriction'(data) {
      const known = accounts.get(data.accountId);
      // That one ended is told, too; what is left then comes with the next status.
      if (!known || data.restriction?.active === false) return;
      accounts.set(known.id, { ...known, trust: { ...known.trust, ...limits(data) } });
    },
  };

  return {
    /** All of them, in the server's order. */
    all: () => [...accounts.values()],
    get: (id) => accounts.get(id),
    byName: (name) => [...accounts.values()].find((account) => account.name === name),
    /** The number of the last change that was heard of. */
    seq: () => seq,
    /** Whether something of an account is not known for sure, and has to be asked for. */
    isStale: () => [...accounts.values()].some((account) => account.staleMark > 0),
    /** What is stale now has a mark up to this one. */
    mark: () => marks,

    /** Takes in what the server answered, one account or several, when it was asked at this mark. */
    takeSnapshots(snapshots, mark = 0) {
      for (const it of snapshots) {
        snapshot(it);
        const known = accounts.get(it.id);
        if (known && known.staleMark <= mark) accounts.set(it.id, { ...known, staleMark: 0 });
      }
      tell();
    },
    /** Takes in a frame of the socket. Frames of other kinds change nothing. */
    takeFrame(frame) {
      const delta = Object.hasOwn(deltas, frame.event) ? deltas[frame.event] : null;
      if (typeof frame.seq === 'number' && frame.seq > seq) seq = frame.seq;
      if (!delta) return;
      delta(frame.data);
      tell();
    },
    /** What is known to be gone, before the socket tells it. */
    forget(id) {
      deltas['whatsapp-deleted']({ accountId: id });
      tell();
    },
    clear() {
      accounts.clear();
      deleted.clear();
      seq = 0;
      tell();
    },
    /** Calls back after each change; returns what ends that. */
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

const EMPTY = Object.freeze({
  displayName: '',
  status: 'idle',
  reason: null,
  userAction: null,
  seq: -1,
  version: 0,
  isLoggedIn: false,
  phoneNumber: null,
  settings: null,
  trust: Object.freeze({ trustLevel: 1, dailyLimit: 0, messagesSentToday: 0, restrictions: [], resetsAt: null }),
  lastActiveAt: null,
  battery: null,
  link: NOT_LINKING,
  staleMark: 0,
});

function loggedIn(it, known) {
  if (it.status === 'ready') return true;
  return it.reason?.kind === 'logged_out' ? false : known.isLoggedIn;
}

function link(it) {
  return {
    qrCode: it.qrCode ?? null,
    qrExpiresAt: toMillis(it.qrExpiresAt),
    pairingCode: it.pairingCode ?? null,
    codeExpiresAt: toMillis(it.codeExpiresAt),
  };
}

/** What an update says of limits: only what is in it. */
function limits(it) {
  const said = {};
  for (const name of ['trustLevel', 'dailyLimit', 'messagesSentToday', 'resetsAt']) {
    if (typeof it[name] === 'number') said[name] = it[name];
  }
  if (Array.isArray(it.restrictions)) said.restrictions = it.restrictions;
  else if (it.restriction !== undefined) said.restrictions = it.restriction ? [it.restriction] : [];
  return said;
}
