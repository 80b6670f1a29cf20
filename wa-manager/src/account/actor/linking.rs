//! Links an account to a phone: does what its attempt says. Requirements: manager.md, R001-R055.

use std::collections::VecDeque;
use std::future::pending;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::field::Empty;
use tracing::{Instrument as _, Span};
use wa_core::Event;
use wa_core::client::{HookFuture, LinkGuard, PairCodeOptions, PasskeyAuthenticator};
use wa_core::crypto::{Random as _, SystemRandom};
use wa_core::event::Paired;
use wa_store::StoreError;
use wa_types::{Jid, PhoneNumber, UnixMillis};

use super::flaps::Standing;
use super::standing::of_store;
use super::{Actor, End, Lost};
use crate::account::{AcceptedLink, AccountRecord, AccountStatus, DesiredState, Reason, ReasonKind};
use crate::event::{EventKind, NewEvent};
use crate::figures;
use crate::ids::{AccountId, TicketId};
use crate::keys::KeyStores;
use crate::location::StoreKind;
use crate::manager::{Admission, ManagerError, Numbers};
use crate::pairing::{
    Attempt, CodeFailure, LinkedDevice, MadeCode, PairError, PairRequest, PairSubject, PairingMethod,
    PairingSlot, PairingTicket, Step, StoreHealth, TicketCommand, TicketSide,
};
use crate::store::{Change, Changes, ManagerStoreError};

/// How long the keys of an account that was about to be linked may take to be read.
const LOOK: Duration = Duration::from_secs(10);

/// An attempt that is under way, or a link in its probation.
pub(super) struct Linking {
    attempt: Attempt,
    side: TicketSide,
    subject: PairSubject,
    /// Nobody else links this account or phone meanwhile; none for a link that a process before this one made.
    _slot: Option<PairingSlot>,
    /// A code that is being asked for.
    asking: JoinSet<Result<MadeCode, CodeFailure>>,
    /// What it does is traced within this.
    span: Span,
}

/// What comes to an attempt from elsewhere than from its client.
pub(super) enum News {
    Ticket(TicketCommand),
    Code(Result<MadeCode, CodeFailure>),
    Health(StoreHealth),
}

impl Linking {
    pub(super) async fn next(linking: &mut Option<Self>) -> News {
        let Some(Self { side, asking, .. }) = linking else { return pending().await };
        tokio::select! {
            command = side.next_command() => News::Ticket(command),
            Some(Ok(answer)) = asking.join_next() => News::Code(answer),
        }
    }
}

/// Refuses numbers that another account of this manager is linked to; others are this account's from then on.
#[derive(Debug)]
struct NumberGuard {
    numbers: Arc<Numbers>,
    account: AccountId,
}

impl LinkGuard for NumberGuard {
    fn admit<'a>(&'a self, paired: &'a Paired) -> HookFuture<'a, bool> {
        let claimed = self.numbers.claim(paired.jid.user(), &self.account);
        Box::pin(std::future::ready(claimed.is_ok()))
    }
}

impl Actor {
    /// Begins an attempt, with new keys.
    pub(super) async fn pair(
        &mut self,
        request: PairRequest,
    ) -> Result<Result<PairingTicket, ManagerError>, Lost> {
        let span = self.pair_span(request.phone.as_ref()).await;
        let begun = self.begin_linking(request, span.clone()).instrument(span.clone()).await?;
        span.in_scope(|| match &begun {
            Ok(_) => tracing::info!("an attempt to link begins"),
            Err(error) => tracing::info!(code = error.code(), "no attempt to link begins"),
        });
        Ok(begun)
    }

    /// R012: owner and phone, of which nobody reads which number it is.
    async fn pair_span(&self, phone: Option<&PhoneNumber>) -> Span {
        let span = tracing::info_span!("pair", owner = self.record.owner, phone_hash = Empty);
        self.note_phone(&span, phone).await;
        span
    }

    async fn note_phone(&self, span: &Span, phone: Option<&PhoneNumber>) {
        if let Some(phone) = phone
            && let Some(hash) = self.shared.limiter.hash(phone).await
        {
            span.record("phone_hash", hash);
        }
    }

    async fn begin_linking(
        &mut self,
        request: PairRequest,
        span: Span,
    ) -> Result<Result<PairingTicket, ManagerError>, Lost> {
        if self.record.jid.is_some() || self.record.accepted.is_some() {
            return Ok(Err(PairError::AlreadyLinked { account: None }.into()));
        }
        if let Some(phone) = &request.phone
            && !request.allow_relink
            && let Some(other) = self.shared.numbers.other(phone.as_str(), self.id())
        {
            return Ok(Err(PairError::AlreadyLinked { account: Some(other) }.into()));
        }
        let closed = |Reason { kind, code, .. }| PairError::Closed { kind, code };
        // Asked before the limits count it, and taken when nothing else refuses it.
        if let Err(outdated) = self.may_be_admitted() {
            return Ok(Err(closed(outdated).into()));
        }
        let subject = PairSubject {
            account: self.record.id.clone(),
            tenant: self.record.tenant.clone(),
            phone: request.phone.clone(),
            egress: self.shared.egress(&self.record),
        };
        let slot = match self.shared.limiter.begin(&subject, &request).await {
            Ok(slot) => slot,
            Err(error) => return Ok(Err(error.into())),
        };
        let (id, method) = (TicketId::of(SystemRandom.array()), request.method);
        let (phone, is_guarded) = (request.phone.clone(), !request.allow_relink);
        let now = self.shared.clock.wall();
        let begun = Attempt::new(id.clone(), request, self.shared.pairing.clone(), now);
        let (attempt, steps) = match begun {
            Ok(begun) => begun,
            Err(error) => return Ok(Err(error.into())),
        };
        // Only whoever owns the account removes its keys.
        match self.commit(self.shared.fenced(&self.record)).await {
            Ok(()) => {}
            Err(ManagerStoreError::FenceLost { .. }) => return Err(self.lose(End::FenceLost)),
            Err(error) => return Ok(Err(error.into())),
        }
        self.end_client().await;
        // The keys of an earlier attempt are not used again.
        let in_the_way = if self.is_closed().await {
            let left = self.remove_keys().await;
            left.filter(|_| !self.moves_for(phone.as_ref()))
        } else {
            Some(ReasonKind::StoreLocked)
        };
        if let Some(kind) = in_the_way {
            return Ok(Err(PairError::Closed { kind, code: None }.into()));
        }
        if let Err(error) = self.settle_anew(phone).await? {
            return Ok(Err(error));
        }
        let admission = match self.admit() {
            Ok(admission) => admission,
            Err(outdated) => return Ok(Err(closed(outdated).into())),
        };
        self.is_guarded = is_guarded;
        let (ticket, side) = PairingTicket::new(id, method, attempt.ends_at());
        self.linking =
            Some(Linking { attempt, side, subject, _slot: Some(slot), asking: JoinSet::new(), span });
        self.steps(steps).await?;
        self.connect_to_link(admission).await?;
        Ok(Ok(ticket))
    }

    /// Whether the keys of the next link are elsewhere than those of the last one, whatever becomes of these.
    fn moves_for(&self, phone: Option<&PhoneNumber>) -> bool {
        let mut row = self.record.clone();
        row.phone = phone.cloned().or(row.phone);
        let (place, next) = (row.location.as_deref(), self.shared.locate(&row, StoreKind::Protocol));
        next.is_ok_and(|next| place.is_some_and(|place| Path::new(place) != next))
    }

    /// Settles where the keys of the next link are. Files that the account has elsewhere do not move along: they are of the
    /// number before, or can be fetched again.
    async fn settle_anew(&mut self, phone: Option<PhoneNumber>) -> Result<Result<(), ManagerError>, Lost> {
        let before = self.shared.leftover(&self.record);
        let mut row = self.record.clone();
        row.location = None;
        row.phone = phone.or(row.phone);
        if let Err(error) = self.shared.settle_location(&mut row) {
            return Ok(Err(error));
        }
        if row == self.record {
            return Ok(Ok(()));
        }
        let moved = before.filter(|before| row.location.as_ref() != Some(&before.location));
        if row.location.is_none() {
            self.shared.places.hold_of(self.id());
        }
        // Somebody may have been faster, and has what is there.
        let moved = moved.filter(|before| self.shared.places.hold(&before.location));
        let mut changes = self.changes(row);
        changes.extend(moved.clone().map(Change::PutLeftover));
        self.write(changes).await?;
        if let Some(moved) = moved {
            self.shared.clear(moved).await;
        }
        Ok(Ok(()))
    }

    /// Goes on with a link that a process before this one saw accepted: the next login makes it one.
    pub(super) async fn resume_accepted(&mut self) -> Result<(), Lost> {
        let Some(AcceptedLink { jid, lid }) = self.record.accepted.clone() else { return Ok(()) };
        match self.admit() {
            Ok(admission) => {
                self.resume(jid, lid, None).await;
                let reason = Reason::new(ReasonKind::Connecting);
                let loading = Standing::because(AccountStatus::Loading, reason);
                let changes = self.standing(loading, DesiredState::Running);
                self.write(changes).await?;
                self.connect_to_link(admission).await
            }
            Err(outdated) => self.hold(outdated).await,
        }
    }

    /// Goes on with the probation of a link that was made before.
    pub(super) async fn resume_probation(&mut self) {
        let (Some(linked_at), Some(jid), None) = (self.record.probation, &self.record.jid, &self.linking)
        else {
            return;
        };
        let (jid, lid) = (jid.clone(), self.record.lid.clone());
        self.resume(jid, lid, Some(linked_at)).await;
    }

    /// What the limiter knows the account by.
    pub(super) fn subject(&self) -> PairSubject {
        PairSubject {
            account: self.record.id.clone(),
            tenant: self.record.tenant.clone(),
            phone: self.record.phone.clone(),
            egress: self.shared.egress(&self.record),
        }
    }

    async fn resume(&mut self, jid: Jid, lid: Option<Jid>, linked_at: Option<UnixMillis>) {
        let device = LinkedDevice { jid, lid, platform: None, business_name: None };
        let (id, now) = (TicketId::of(SystemRandom.array()), self.shared.clock.wall());
        let policy = self.shared.pairing.clone();
        let attempt = Attempt::resume(id.clone(), policy, device, linked_at, now);
        let (_nobody_asked, side) = PairingTicket::new(id, PairingMethod::Qr, attempt.ends_at());
        let subject = self.subject();
        let span = self.pair_span(subject.phone.as_ref()).await;
        self.linking = Some(Linking { attempt, side, subject, _slot: None, asking: JoinSet::new(), span });
    }

    /// Who may be linked, for the client of an attempt.
    pub(super) fn link_guard(&self) -> Option<Arc<dyn LinkGuard>> {
        let is_wanted = self.is_guarded && self.record.jid.is_none();
        let guard =
            || NumberGuard { numbers: Arc::clone(&self.shared.numbers), account: self.record.id.clone() };
        is_wanted.then(|| Arc::new(guard()) as Arc<dyn LinkGuard>)
    }

    /// Who signs passkeys, for the client of an attempt: whoever holds its ticket.
    pub(super) fn authenticator(&self) -> Option<Arc<dyn PasskeyAuthenticator>> {
        self.linking.as_ref().map(|linking| linking.side.authenticator())
    }

    /// What an event of the client means for the attempt.
    pub(super) async fn linking_event(&mut self, event: &Event) -> Result<(), Lost> {
        let now = self.shared.clock.wall();
        let Some(linking) = &mut self.linking else { return Ok(()) };
        let steps = linking.attempt.on_event(event, now);
        self.steps(steps).await
    }

    pub(super) async fn linking_time(&mut self) -> Result<(), Lost> {
        let now = self.shared.clock.wall();
        let Some(linking) = &mut self.linking else { return Ok(()) };
        if linking.attempt.deadline().is_some_and(|at| at <= now) {
            let steps = linking.attempt.on_time(now);
            self.steps(steps).await?;
        }
        Ok(())
    }

    pub(super) fn linking_deadline(&self) -> Option<UnixMillis> {
        self.linking.as_ref().and_then(|linking| linking.attempt.deadline())
    }

    pub(super) async fn linking_news(&mut self, news: News) -> Result<(), Lost> {
        let now = self.shared.clock.wall();
        match (news, &mut self.linking) {
            (News::Code(answer), Some(linking)) => {
                let steps = linking.attempt.on_code(answer, now);
                self.steps(steps).await
            }
            (News::Ticket(TicketCommand::Refresh { reply }), Some(linking)) => {
                let answer = linking.attempt.refresh(now);
                self.answer(answer, reply).await
            }
            (News::Ticket(TicketCommand::Cancel { reply }), Some(linking)) => {
                let answer = linking.attempt.cancel(now);
                self.answer(answer, reply).await
            }
            (News::Health(health), _) => {
                let data = json!({ "store": if health == StoreHealth::Good { "good" } else { "degraded" } });
                let mut changes = self.shared.fenced(&self.record);
                changes.push_event(self.event(EventKind::PairingDegraded, data));
                self.write(changes).await
            }
            (_, None) => Ok(()),
        }
    }

    async fn answer(
        &mut self,
        answer: Result<Vec<Step>, PairError>,
        reply: tokio::sync::oneshot::Sender<Result<(), PairError>>,
    ) -> Result<(), Lost> {
        let answer = match answer {
            Ok(steps) => {
                self.steps(steps).await?;
                Ok(())
            }
            Err(error) => Err(error),
        };
        let _gone = reply.send(answer);
        Ok(())
    }

    /// Calls an attempt off, as long as no phone accepted it. The account is idle after it.
    pub(super) async fn cancel_linking(&mut self) -> Result<(), Lost> {
        self.call_off().await?;
        self.linking = None;
        Ok(())
    }

    /// The same, but an attempt whose phone accepted goes on.
    pub(super) async fn call_off(&mut self) -> Result<(), Lost> {
        let now = self.shared.clock.wall();
        if let Some(linking) = &mut self.linking
            && let Ok(steps) = linking.attempt.cancel(now)
        {
            self.steps(steps).await?;
        }
        Ok(())
    }

    /// Does what the attempt says: shows first, so that whoever hears of a code finds it; then what is stored, in one
    /// commit; then the rest in its order.
    async fn steps(&mut self, steps: Vec<Step>) -> Result<(), Lost> {
        let span = self.linking.as_ref().map_or_else(Span::none, |linking| linking.span.clone());
        self.take_steps(steps).instrument(span).await
    }

    async fn take_steps(&mut self, steps: Vec<Step>) -> Result<(), Lost> {
        let mut rounds = VecDeque::from([steps]);
        while let Some(steps) = rounds.pop_front() {
            if steps.contains(&Step::Show) {
                self.show();
            }
            self.store_steps(&steps).await?;
            for step in steps {
                if let Some(more) = self.step(step).await? {
                    rounds.push_back(more);
                }
            }
        }
        Ok(())
    }

    /// Shows what is to be scanned or typed now, or nothing any more.
    fn show(&self) {
        let Some(linking) = &self.linking else { return };
        let view = linking.attempt.view();
        self.shown.send_replace(view.clone());
        self.publisher.publish(view);
    }

    async fn store_steps(&mut self, steps: &[Step]) -> Result<(), Lost> {
        let mut row = self.record.clone();
        let mut events: Vec<NewEvent> = Vec::new();
        let put_away = self.put_away(steps).await?;
        for step in steps {
            match step {
                Step::Status(status, reason) => {
                    let data = json!({ "before": row.status, "status": status, "reason": reason });
                    events.push(self.event(EventKind::AccountStatus, data));
                    (row.status, row.reason) = (*status, reason.clone());
                }
                Step::Event(kind, data) => {
                    if *kind == EventKind::AccountLinkConfirmed {
                        row.probation = None;
                    }
                    let mut data = data.clone();
                    if let (EventKind::AccountLinked, Some(data)) = (kind, data.as_object_mut()) {
                        data.insert("isAnotherNumber".to_owned(), json!(put_away.is_some()));
                    }
                    events.push(self.event(*kind, data));
                }
                Step::Accepted(device) => {
                    row.accepted = Some(AcceptedLink { jid: device.jid.clone(), lid: device.lid.clone() });
                    row.desired = DesiredState::Running;
                }
                // It never was a link: the account may be paired again, and there is nothing to start.
                Step::Unconfirmed => (row.accepted, row.desired) = (None, DesiredState::Stopped),
                // The phone lists the device: a later login still makes it a link.
                Step::Done(Err(PairError::ConnectTimeout)) => {}
                Step::Done(Err(PairError::Closed { kind, .. }))
                    if !matches!(kind, ReasonKind::LoggedOut | ReasonKind::CredentialsRejected) => {}
                Step::Done(Err(_)) => row.accepted = None,
                Step::Linked(device) => {
                    row.accepted = None;
                    row.phone = device.phone().or(row.phone);
                    (row.exported, row.hand_overs) = (false, 0);
                    row.jid = Some(device.jid.clone());
                    row.lid.clone_from(&device.lid);
                    row.desired = DesiredState::Running;
                    row.probation = Some(self.shared.clock.wall());
                }
                _ => {}
            }
        }
        if events.is_empty() && row == self.record {
            return Ok(());
        }
        let mut changes = self.changes(row);
        for event in events {
            changes.push_event(event);
        }
        if let Some(linking) = &self.linking
            && steps.iter().any(|step| matches!(step, Step::Linked(_)))
        {
            figures::paired(linking.attempt.method(), "linked");
        }
        let is_another = put_away.is_some();
        for change in put_away.into_iter().flatten() {
            changes.push(change);
        }
        if is_another {
            self.write_with_limits(changes).await?;
        } else {
            self.write(changes).await?;
        }
        let is_told = |step: &Step| {
            matches!(step, Step::Accepted(_) | Step::Unconfirmed | Step::Linked(_) | Step::Done(_))
        };
        if steps.iter().any(is_told) {
            for step in steps {
                if let Step::Linked(device) = step {
                    self.shared.numbers.is_new(&device.jid);
                }
            }
            // Not before: the client may have claimed a number of which the attempt hears next.
            self.note_number();
        }
        if is_another {
            self.answer_delayed();
            self.remove_media().await;
        }
        Ok(())
    }

    /// What puts away what is kept of the number before, if these steps link another one.
    async fn put_away(&mut self, steps: &[Step]) -> Result<Option<Changes>, Lost> {
        let linked = steps.iter().find_map(|step| match step {
            Step::Linked(device) => Some(device),
            _ => None,
        });
        let Some(device) = linked else { return Ok(None) };
        let own: Vec<Jid> = [Some(&device.jid), device.lid.as_ref()].into_iter().flatten().cloned().collect();
        let mut changes = Changes::new();
        loop {
            match self.gate.link(&own, &mut changes).await {
                Ok(is_another) => return Ok(is_another.then_some(changes)),
                Err(error) => self.wait_for_store(error).await?,
            }
        }
    }

    /// Does one step. What follows from it at once is given back.
    async fn step(&mut self, step: Step) -> Result<Option<Vec<Step>>, Lost> {
        let now = self.shared.clock.wall();
        let Some(linking) = &mut self.linking else { return Ok(None) };
        match step {
            Step::AskCode { phone, notifies } => {
                let Some(running) = &self.running else { return Ok(None) };
                let (limiter, client) = (Arc::clone(&self.shared.limiter), running.client.clone());
                let subject = linking.subject.clone();
                let options = PairCodeOptions::new();
                let options = if notifies { options } else { options.without_notification() };
                let asking =
                    async move { limiter.make_code(&subject, client.pair_with_code(&phone, options)).await };
                linking.asking.spawn(asking.in_current_span());
            }
            Step::Reconnect { shows_qr } => {
                if shows_qr && let Err(error) = self.shared.limiter.round(&linking.subject).await {
                    return Ok(Some(linking.attempt.on_limited(error, now)));
                }
                let admission = match self.admit() {
                    Ok(admission) => admission,
                    Err(Reason { kind, code, .. }) => {
                        let error = PairError::Closed { kind, code };
                        return Ok(self
                            .linking
                            .as_mut()
                            .map(|linking| linking.attempt.on_limited(error, now)));
                    }
                };
                self.end_client().await;
                self.connect_to_link(admission).await?;
            }
            Step::Accepted(device) => {
                linking.subject.phone = device.phone();
                let (span, phone) = (linking.span.clone(), device.phone());
                self.note_phone(&span, phone.as_ref()).await;
                tracing::info!("a phone accepted");
            }
            Step::Linked(device) => tracing::info!(device = device.jid.device(), "it is linked"),
            Step::Tell(update) => linking.side.tell(update),
            Step::Note(note) => match self.shared.limiter.note(&linking.subject, &note).await {
                // Whether or not it was the one too many: an event may wait.
                Ok(_) => self.shared.hub.notify(),
                Err(error) => tracing::error!(account = %self.record.id, %error, "a limit was not noted"),
            },
            Step::AskUnstable => {
                let retry_after = self.shared.limiter.unstable(&linking.subject).await;
                self.shared.hub.notify();
                return Ok(Some(linking.attempt.on_unstable(retry_after, now)));
            }
            Step::Done(result) => {
                match &result {
                    Ok(()) => tracing::info!("the link holds"),
                    Err(error) => tracing::info!(code = error.code(), "the attempt to link ended"),
                }
                if let (Some(linking), Err(error)) = (&self.linking, &result) {
                    figures::paired(linking.attempt.method(), error.code());
                }
                self.linking = None;
                if result.is_err() && self.record.jid.is_none() {
                    self.end_client().await;
                    if self.record.accepted.is_none() {
                        self.remove_keys().await;
                        // A phone may have accepted until the client was gone; what it claimed is the others'.
                        self.note_number();
                    } else if let Err(error @ PairError::Closed { .. }) = result
                        && let Some(reason) = error.reason(now)
                    {
                        let reason = self.try_outdated_again(reason);
                        if reason.retry_at.is_some() {
                            self.hold(reason).await?;
                        }
                    }
                }
            }
            // Shown or stored before.
            _ => {}
        }
        Ok(None)
    }

    async fn connect_to_link(&mut self, admission: Admission) -> Result<(), Lost> {
        match self.connect(admission).await {
            Ok(running) => self.running = Some(running),
            // The manager ends, and calls the attempt off.
            Err(_) if self.stop.is_cancelled() => {}
            Err(reason) => {
                let error = PairError::Closed { kind: reason.kind, code: reason.code };
                let now = self.shared.clock.wall();
                if let Some(linking) = &mut self.linking {
                    let steps = linking.attempt.on_limited(error, now);
                    Box::pin(self.steps(steps)).await?;
                }
            }
        }
        Ok(())
    }

    /// Which number this account is linked to, for the others.
    pub(super) fn note_number(&self) {
        self.shared.numbers.note(&self.record);
    }

    /// Whether what the connection says is the attempt's to tell.
    pub(super) const fn is_linking(&self) -> bool {
        self.record.jid.is_none()
    }

    /// Before the first phone accepted, an account is idle when nothing is tried.
    pub(super) const fn resting(&self) -> AccountStatus {
        let is_linked = self.record.jid.is_some() || self.record.accepted.is_some();
        if is_linked { AccountStatus::Disconnected } else { AccountStatus::Idle }
    }
}

/// A link that a phone accepted while the account was about to be linked, and of which nobody heard before the process
/// ended: its keys are on the phone's list, and the next login makes it a link.
///
/// # Errors
/// Its keys cannot be read, for this reason: nobody knows whether a phone accepted them.
pub(crate) async fn unheard_link(
    keys: &dyn KeyStores,
    record: &AccountRecord,
) -> Result<Option<AcceptedLink>, Reason> {
    let is_linked = record.jid.is_some() || record.accepted.is_some();
    let Some(place) = record.location.as_ref().filter(|_| !is_linked) else { return Ok(None) };
    let found = async {
        if !tokio::fs::try_exists(place).await.map_err(|source| StoreError::Io { source: source.into() })? {
            return Ok(None);
        }
        let store = keys.open(Path::new(place)).await?;
        let account = store.account().await;
        store.close().await?;
        account
    };
    let unread = match timeout(LOOK, found).await {
        Ok(Ok(account)) => {
            let account = account.filter(|account| !account.logged_out);
            return Ok(account.and_then(|account| Some(AcceptedLink { jid: account.jid?, lid: account.lid })));
        }
        Ok(Err(error)) => of_store(&error),
        Err(_) => Reason::new(ReasonKind::StoreLocked).detail("it takes long to open"),
    };
    tracing::warn!(account = %record.id, reason = ?unread, "whether a phone accepted cannot be read");
    Err(unread)
}

/// Whether an account was about to be linked when this was written, or nobody knows what became of that.
pub(super) fn was_linking(record: &AccountRecord) -> bool {
    match record.status {
        AccountStatus::Loading | AccountStatus::Qr | AccountStatus::Pairing => true,
        AccountStatus::Error => record.reason.as_ref().is_some_and(|reason| {
            let kinds = [ReasonKind::StoreLocked, ReasonKind::StoreFailed, ReasonKind::StoreCorrupt];
            kinds.contains(&reason.kind)
        }),
        _ => false,
    }
}
