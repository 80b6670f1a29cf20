//! Changes of the application's own: stored, told, and uploaded when there is a connection.

use tokio::sync::oneshot;
use wa_store::{AppStateChange, StoreError};

use super::view::{self, CHANGES};
use crate::app_state::action::{Action, read_index};
use crate::app_state::{Collection, Draft, Operation};
use crate::driver::{Actor, Step, clock};
use crate::error::CallError;
use crate::event::{AppStateEvent, ChangeOrigin, StateChanged};

/// What the application changes. All of it is stored at once.
pub(crate) struct ChangeJob {
    pub(crate) set: Vec<Action>,
    pub(crate) remove: Vec<Action>,
    pub(crate) reply: oneshot::Sender<Result<(), CallError>>,
}

impl Actor {
    /// Takes changes; they are stored with this step, and the application is told then.
    pub(in crate::driver) async fn change_app_state(&mut self, job: ChangeJob, step: &mut Step) {
        match self.stage_changes(&job.set, &job.remove, step).await {
            Ok(Ok(())) => step.replies.push(job.reply),
            Ok(Err(error)) => drop(job.reply.send(Err(error))),
            Err(error) => drop(job.reply.send(Err(error.into()))),
        }
    }

    async fn stage_changes(
        &mut self,
        set: &[Action],
        remove: &[Action],
        step: &mut Step,
    ) -> Result<Result<(), CallError>, StoreError> {
        if !self.account.is_paired() {
            return Ok(Err(CallError::NotPaired));
        }
        let mut last = match self.sync.last_change {
            Some(last) => last,
            None => {
                let waiting = self.store.app_state_changes(0, CHANGES).await?;
                waiting.last().map_or(0, |change| change.seq)
            }
        };
        let at = clock::unix_millis();
        let mut drafts: Vec<(Collection, Draft)> = set.iter().map(|action| action.to_draft(at)).collect();
        drafts.extend(remove.iter().map(|action| action.to_removal(at)));
        let indexes: Vec<Vec<u8>> = drafts.iter().map(|(_, draft)| draft.index.clone()).collect();
        let before = view::read(&*self.store, &indexes).await?;
        let mut news = Vec::new();
        for ((collection, draft), before) in drafts.into_iter().zip(before) {
            last += 1;
            let is_removal = draft.operation == Operation::Remove;
            let action =
                (!is_removal).then(|| Action::read(collection, &draft.index, &draft.value, draft.version));
            news.push(AppStateEvent::Changed(Box::new(StateChanged {
                index: read_index(&draft.index),
                action,
                previous: before.map(|said| said.action()),
                at: Some(at),
                origin: ChangeOrigin::Application,
            })));
            step.changes.put_app_state_change(AppStateChange {
                seq: last,
                collection: collection.name().to_owned(),
                index: draft.index,
                is_removal,
                value: draft.value,
                version: draft.version,
            });
            self.sync.care(collection).is_due = true;
        }
        self.sync.last_change = Some(last);
        self.sync.want_keys();
        self.tell_news(news, step).await?;
        Ok(Ok(()))
    }
}
