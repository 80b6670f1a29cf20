//! Does what an account is told. Commands come one after the other: the last one decides.

use std::time::Duration;

use serde_json::json;
use tokio::time::timeout;
use wa_types::UnixMillis;

use super::command::{AccountPatch, Command, CommandOutcome, Unlink};
use super::flaps::Standing;
use super::gatekeeping::gate_config;
use super::linking::News;
use super::{Actor, End, Lost};
use crate::account::{AccountSnapshot, AccountStatus, DesiredState, Errand, Reason};
use crate::event::EventKind;
use crate::manager::{ManagerError, is_restored};
use crate::store::{Change, ManagerStoreError};

/// How long the server has to hear that a device is to be unlinked.
const UNLINK: Duration = Duration::from_secs(10);

/// What was asked for would be refused: the server takes no clients of this release.
fn refused(outdated: &Reason) -> ManagerError {
    ManagerError::ClientOutdated { until: UnixMillis(outdated.retry_at.unwrap_or_default()) }
}

impl Actor {
    /// Carries a command out. Who asked is answered even when the actor ends over it.
    pub(super) async fn obey(&mut self, command: Command) -> Result<Option<End>, Lost> {
        match command {
            Command::Start(reply) => {
                let _gone = reply.send(self.start().await?);
            }
            Command::Restore(reply) => {
                // Somebody may have stopped it meanwhile, whatever it is set to.
                let is_stopped = self.is_halted && self.record.desired == DesiredState::Stopped;
                let is_wanted = !is_stopped && is_restored(&self.snapshot.borrow());
                let started = if is_wanted { self.start().await?.map(drop) } else { Ok(()) };
                let _gone = reply.send(started.map(|()| is_wanted));
            }
            Command::Stop(reply) => {
                let _gone = reply.send(Ok(self.halt().await?));
            }
            Command::Restart(reply) => {
                let before = self.record.status;
                if self.record.jid.is_none() {
                    let _gone = reply.send(Err(ManagerError::NotLinked));
                    return Ok(None);
                }
                if let Some(barred) = self.barred().filter(|_| self.running.is_none()) {
                    let _gone = reply.send(Err(barred));
                    return Ok(None);
                }
                if self.running.is_none() {
                    let _gone = reply.send(self.start().await?);
                    return Ok(None);
                }
                // Asked before what works is ended.
                match self.admit() {
                    Ok(admission) => {
                        self.end_client().await;
                        self.open_admitted(admission).await?;
                        let _gone = reply.send(Ok(CommandOutcome::new(before, self.record.status, true)));
                    }
                    Err(outdated) => {
                        let _gone = reply.send(Err(refused(&outdated)));
                    }
                }
            }
            Command::Logout(how, reply) => {
                let _gone = reply.send(self.logout(how).await?);
            }
            Command::Delete(how, reply) => {
                let deleted = self.delete(how).await?;
                let is_deleted = deleted.is_ok();
                let _gone = reply.send(deleted);
                return Ok(is_deleted.then_some(End::Deleted));
            }
            Command::Pair(request, reply) => {
                let _gone = reply.send(self.pair(request).await?);
            }
            Command::Ticket(command) => self.linking_news(News::Ticket(command)).await?,
            Command::Send(request, reply) => self.send(*request, reply).await?,
            Command::History(request, reply) => {
                let _gone = reply.send(self.sync_history(request).await);
            }
            Command::Export(key, reply) => {
                let _gone = reply.send(Box::pin(self.export(&key)).await?);
            }
            Command::Import(sealed, key, reply) => {
                let _gone = reply.send(Box::pin(self.import(&sealed, &key)).await?);
            }
            Command::Numbers(numbers, reply) => self.check_numbers(numbers, reply).await,
            Command::Errand(reply) => {
                let _gone = reply.send(self.errand());
            }
            Command::Liveness(reply) => {
                let running = self.running.as_ref();
                let _gone = reply.send(running.map(|running| running.client.liveness()).unwrap_or_default());
            }
            Command::Preview(to, reply) => {
                let _gone = reply.send(self.preview(&to).await);
            }
            Command::Gate(call) => {
                let answer = call(&mut self.gate).await;
                self.after_gate();
                answer();
                self.empty_outbox().await?;
            }
            Command::Update(patch, reply) => {
                let _gone = reply.send(self.update(patch).await?);
            }
        }
        Ok(None)
    }

    /// What the account has for an errand of somebody else's.
    fn errand(&self) -> Errand {
        let ready = self.running.as_ref().filter(|running| running.connection.is_ready());
        let client = ready.map(|running| running.client.clone()).ok_or(match self.record.status {
            // What is told of it may be late.
            AccountStatus::Ready => AccountStatus::Disconnected,
            status => status,
        });
        let home = self.shared.media_home(&self.record);
        Errand { client, stores: self.shared.media.clone(), home }
    }

    async fn start(&mut self) -> Result<Result<CommandOutcome, ManagerError>, Lost> {
        let before = self.record.status;
        if self.running.is_some() {
            return Ok(Ok(CommandOutcome::new(before, before, false)));
        }
        if self.record.exported {
            return Ok(Err(ManagerError::Exported));
        }
        if self.record.jid.is_none() && self.record.accepted.is_none() {
            return Ok(Err(ManagerError::NotLinked));
        }
        if let Some(barred) = self.barred() {
            return Ok(Err(barred));
        }
        self.open().await?;
        Ok(Ok(CommandOutcome::new(before, self.record.status, true)))
    }

    /// The server wants to hear nothing of the account now: nobody connects.
    fn barred(&mut self) -> Option<ManagerError> {
        self.gate.barred_until().map(|until| ManagerError::NotYet { until })
    }

    async fn halt(&mut self) -> Result<CommandOutcome, Lost> {
        let before = self.record.status;
        self.is_halted = true;
        self.cancel_linking().await?;
        self.end_client().await;
        let changed = before != AccountStatus::Idle || self.record.desired != DesiredState::Stopped;
        if changed {
            let changes = self.standing(Standing::new(AccountStatus::Idle), DesiredState::Stopped);
            self.write(changes).await?;
        }
        Ok(CommandOutcome::new(before, AccountStatus::Idle, changed))
    }

    async fn logout(&mut self, how: Unlink) -> Result<Result<CommandOutcome, ManagerError>, Lost> {
        let before = self.record.status;
        if let Err(error) = self.unlink(how).await? {
            return Ok(Err(error));
        }
        Box::pin(self.drain()).await?;
        self.end_client().await;
        let was_linked = self.record.jid.is_some();
        let mut row = self.record.clone();
        (row.jid, row.lid, row.accepted) = (None, None, None);
        (row.reason, row.probation, row.exported) = (None, None, false);
        (row.status, row.desired) = (AccountStatus::Idle, DesiredState::Stopped);
        let mut changes = self.changes(row);
        if was_linked {
            changes.push_event(self.event(EventKind::AccountUnlinked, json!({ "reason": null })));
        }
        if before != AccountStatus::Idle {
            changes.push_event(self.status_event(AccountStatus::Idle, None));
        }
        self.write(changes).await?;
        self.note_number();
        self.remove_keys().await;
        let changed = was_linked || before != AccountStatus::Idle;
        Ok(Ok(CommandOutcome::new(before, AccountStatus::Idle, changed)))
    }

    async fn delete(&mut self, how: Unlink) -> Result<Result<(), ManagerError>, Lost> {
        if let Err(error) = self.unlink(how).await? {
            return Ok(Err(error));
        }
        self.end_client().await;
        let mut changes = self.shared.fenced(&self.record);
        let name = self.record.name.as_str();
        changes.push_event(self.event(EventKind::AccountDeleted, json!({ "name": name })));
        changes.push(Change::DeleteAccount(self.record.id.clone()));
        let leftover = self.shared.leftover(&self.record);
        changes.extend(leftover.clone().map(Change::PutLeftover));
        self.write(changes).await?;
        self.shared.numbers.forget(self.id());
        self.shared.places.hold_of(self.id());
        // What a client still has is removed later: it is remembered.
        if self.is_closed().await
            && let Some(leftover) = leftover
        {
            self.shared.clear(leftover).await;
        }
        Ok(Ok(()))
    }

    /// Ends the link at the server; the keys are worthless then. The client that did it may still have something to tell.
    /// On an error the account runs as it did, and what waits for its login or its probation goes on waiting.
    async fn unlink(&mut self, how: Unlink) -> Result<Result<(), ManagerError>, Lost> {
        self.call_off().await?;
        let restart_at = self.restart_at;
        let unlinked = self.unlink_at_server(how).await;
        match unlinked {
            Ok(()) => self.linking = None,
            Err(_) => self.restart_at = restart_at,
        }
        Ok(unlinked)
    }

    async fn unlink_at_server(&mut self, how: Unlink) -> Result<(), ManagerError> {
        if self.record.exported {
            // Whoever has the session now unlinks it.
            return if how == Unlink::AtServer { Err(ManagerError::Exported) } else { Ok(()) };
        }
        if self.record.jid.is_some() || self.record.accepted.is_some() {
            let was_running = self.running.is_some();
            if !was_running {
                if let Some(barred) = self.barred() {
                    return if how == Unlink::AtServer { Err(barred) } else { Ok(()) };
                }
                let admission = match self.admit() {
                    Ok(admission) => admission,
                    Err(outdated) => {
                        let refused = Err(refused(&outdated));
                        return if how == Unlink::AtServer { refused } else { Ok(()) };
                    }
                };
                match self.connect(admission).await {
                    Ok(running) => self.running = Some(running),
                    Err(reason) if how == Unlink::AtServer => {
                        let why = reason.detail.unwrap_or_default();
                        return Err(ManagerError::NotUnlinked(why));
                    }
                    Err(_) => {}
                }
            }
            let told = self.tell_server().await;
            if let Err(error) = told
                && how == Unlink::AtServer
            {
                if !was_running {
                    self.end_client().await;
                }
                return Err(error);
            }
        }
        Ok(())
    }

    async fn tell_server(&self) -> Result<(), ManagerError> {
        let Some(running) = &self.running else {
            return Err(ManagerError::NotUnlinked("there is no connection".to_owned()));
        };
        let unlinked = async {
            if running.client.ready().await {
                running.client.logout().await.map_err(|error| ManagerError::NotUnlinked(error.to_string()))
            } else {
                Err(ManagerError::NotUnlinked("there is no connection".to_owned()))
            }
        };
        match timeout(UNLINK, unlinked).await {
            Ok(result) => result,
            Err(_) => Err(ManagerError::NotUnlinked("the server did not answer in time".to_owned())),
        }
    }

    async fn update(&mut self, patch: AccountPatch) -> Result<Result<AccountSnapshot, ManagerError>, Lost> {
        let current = self.record.version;
        if patch.version.is_some_and(|version| version != current) {
            return Ok(Err(ManagerError::VersionConflict { current }));
        }
        let mut row = self.record.clone();
        row.display_name = patch.display_name.unwrap_or(row.display_name);
        row.settings = patch.settings.unwrap_or(row.settings);
        row.metadata = patch.metadata.unwrap_or(row.metadata);
        let is_same = (&row.display_name, &row.settings, &row.metadata)
            == (&self.record.display_name, &self.record.settings, &self.record.metadata);
        if !is_same {
            row.version += 1;
            let data =
                json!({ "displayName": row.display_name, "settings": row.settings, "version": row.version });
            let mut changes = self.changes(row);
            changes.push_event(self.event(EventKind::AccountUpdated, data));
            match self.commit(changes).await {
                Ok(()) => {}
                Err(ManagerStoreError::FenceLost { .. }) => return Err(self.lose(End::FenceLost)),
                Err(error) => return Ok(Err(error.into())),
            }
            // It is set: what follows from it is done as often as it takes.
            let config = gate_config(&self.shared, &self.record);
            persist!(self, self.gate.configure(config.clone()));
        }
        Ok(Ok(AccountSnapshot::new(&self.record, self.gate.snapshot())))
    }
}
