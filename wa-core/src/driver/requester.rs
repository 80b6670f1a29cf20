//! Asks the server, and asks again on the next connection where that does no harm.
//! Protocol: transport, "Stanza bookkeeping".

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, timeout_at};

use super::clock;
use super::session::{Build, Command, Outgoing};
use crate::connection::{REQUEST_LIMIT, RequestError};
use crate::error::CallError;
use crate::stanza::iq::IqRequest;
use crate::stanza::{Reader, StanzaError};
use crate::wire::{Document, Node};

/// What the questions of an account see of its connection.
#[derive(Debug, Clone)]
pub(super) enum Line {
    /// Logged in.
    Up(mpsc::Sender<Command>),
    /// None, but one comes by itself.
    Coming,
    /// None, and none comes by itself.
    Gone,
}

/// Asks the server; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Requester {
    commands: mpsc::Sender<Command>,
    line: watch::Receiver<Line>,
}

impl Requester {
    pub(super) const fn new(commands: mpsc::Sender<Command>, line: watch::Receiver<Line>) -> Self {
        Self { commands, line }
    }

    pub(super) fn commands(&self) -> mpsc::Sender<Command> {
        self.commands.clone()
    }

    /// Sends a request and reads its answer. Always ends within the limit: with the answer, with
    /// [`RequestError::Timeout`], or with [`RequestError::ConnectionLost`]. An idempotent request that a lost
    /// connection left unanswered is asked once more, on the next one, if that stands within the limit.
    pub(super) async fn ask<R: IqRequest + Send + Sync + 'static>(
        &self,
        request: R,
        limit: Duration,
    ) -> Result<R::Reply, RequestError> {
        let build: Build = Arc::new(move |id| request.to_node(id));
        let document = self.answer(build, R::IDEMPOTENT, now() + limit).await?;
        R::read(Reader::new(document.root())).map_err(|error: StanzaError| RequestError::Malformed(error))
    }

    /// The same for every kind of request: compiled once.
    async fn answer(
        &self,
        build: Build,
        is_idempotent: bool,
        deadline: Instant,
    ) -> Result<Document<'static>, RequestError> {
        let lost = match put(&self.commands, &build, deadline).await {
            Err(lost @ (RequestError::ConnectionLost | RequestError::NotConnected)) if is_idempotent => lost,
            answer => return answer,
        };
        let mut line = self.line.clone();
        let next = line.wait_for(|line| match line {
            Line::Up(commands) => !commands.same_channel(&self.commands),
            Line::Coming => false,
            Line::Gone => true,
        });
        let next = match timeout_at(deadline, next).await {
            Ok(Ok(line)) => line.clone(),
            Ok(Err(_)) | Err(_) => return Err(lost),
        };
        match next {
            Line::Up(commands) => match put(&commands, &build, deadline).await {
                // Not this time; the first time it may have been.
                Err(RequestError::NotConnected) => Err(lost),
                answer => answer,
            },
            Line::Coming | Line::Gone => Err(lost),
        }
    }

    /// Hands over stanzas in order; `false` when the connection is gone.
    pub(super) async fn write(&self, stanzas: Vec<Outgoing>) -> bool {
        self.commands.send(Command::Write(stanzas)).await.is_ok()
    }
}

/// Asks for the handles, on the connection that there is, without the actor.
#[derive(Debug, Clone)]
pub(crate) struct Asker {
    line: watch::Receiver<Line>,
}

impl Asker {
    pub(super) const fn new(line: watch::Receiver<Line>) -> Self {
        Self { line }
    }

    /// As [`Requester::ask`]; without a connection it fails at once.
    pub(crate) async fn ask<R: IqRequest + Send + Sync + 'static>(
        &self,
        request: R,
    ) -> Result<R::Reply, CallError> {
        Ok(self.requester()?.ask(request, REQUEST_LIMIT).await?)
    }

    /// Hands a stanza to the connection that there is.
    pub(crate) async fn tell(&self, stanza: Node) -> Result<(), CallError> {
        let is_written = self.requester()?.write(vec![Outgoing::Stanza(stanza)]).await;
        if is_written { Ok(()) } else { Err(RequestError::NotConnected.into()) }
    }

    fn requester(&self) -> Result<Requester, CallError> {
        if self.line.has_changed().is_err() {
            return Err(CallError::Shutdown);
        }
        let Line::Up(commands) = self.line.borrow().clone() else {
            return Err(RequestError::NotConnected.into());
        };
        Ok(Requester::new(commands, self.line.clone()))
    }
}

/// Asks on one connection.
async fn put(
    commands: &mpsc::Sender<Command>,
    build: &Build,
    deadline: Instant,
) -> Result<Document<'static>, RequestError> {
    let (reply, answer) = oneshot::channel();
    let build = Arc::clone(build);
    let limit = deadline.saturating_duration_since(now());
    let asked = async {
        let command = Command::Request { build, limit, reply };
        commands.send(command).await.map_err(|_| RequestError::NotConnected)?;
        answer.await.map_err(|_| RequestError::ConnectionLost)?
    };
    timeout_at(deadline, asked).await.map_err(|_| RequestError::Timeout)?
}

fn now() -> Instant {
    Instant::from_std(clock::now())
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests start their own tasks")]
mod tests {
    use tokio::task::JoinHandle;

    use super::*;
    use crate::stanza::iq::IqKind;
    use crate::wire::{self, Node};

    const LIMIT: Duration = Duration::from_secs(60);

    /// A question; what it does decides whether it is asked again.
    struct Question<const IS_IDEMPOTENT: bool>;

    impl<const IS_IDEMPOTENT: bool> IqRequest for Question<IS_IDEMPOTENT> {
        const NAMESPACE: &'static str = "test";
        const KIND: IqKind = IqKind::Set;
        const IDEMPOTENT: bool = IS_IDEMPOTENT;
        type Reply = ();

        fn body(&self) -> Vec<Node> {
            Vec::new()
        }

        fn read(_: Reader<'_>) -> Result<(), StanzaError> {
            Ok(())
        }
    }

    struct Scene {
        line: watch::Sender<Line>,
        commands: mpsc::Receiver<Command>,
        requester: Requester,
    }

    impl Scene {
        fn new() -> Self {
            let (sender, commands) = mpsc::channel(4);
            let line = watch::Sender::new(Line::Up(sender.clone()));
            Self { requester: Requester::new(sender, line.subscribe()), line, commands }
        }

        fn ask<const IS_IDEMPOTENT: bool>(&self) -> JoinHandle<Result<(), RequestError>> {
            let requester = self.requester.clone();
            tokio::spawn(async move { requester.ask(Question::<IS_IDEMPOTENT>, LIMIT).await })
        }

        /// A new connection.
        fn connect(&self) -> mpsc::Receiver<Command> {
            let (sender, commands) = mpsc::channel(4);
            self.line.send_replace(Line::Up(sender));
            commands
        }
    }

    /// Answers the next question.
    async fn answer(commands: &mut mpsc::Receiver<Command>) {
        let Some(Command::Request { build, reply, .. }) = commands.recv().await else {
            panic!("no question")
        };
        let body = wire::encode(&build("1")).unwrap();
        let body = wire::unpack(&body).unwrap().into_owned();
        reply.send(Ok(wire::decode_owned(body).unwrap())).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_no_harm_is_asked_again_on_the_next_connection() {
        let mut scene = Scene::new();
        let asked = scene.ask::<true>();
        drop(scene.commands.recv().await.expect("a question"));
        scene.line.send_replace(Line::Coming);
        tokio::time::sleep(LIMIT / 2).await;
        assert!(!asked.is_finished());
        answer(&mut scene.connect()).await;
        assert!(asked.await.unwrap().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_have_been_carried_out_is_not_asked_again() {
        let mut scene = Scene::new();
        let asked = scene.ask::<false>();
        drop(scene.commands.recv().await.expect("a question"));
        let mut next = scene.connect();
        assert!(matches!(asked.await.unwrap(), Err(RequestError::ConnectionLost)));
        assert!(next.try_recv().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_asked_again_once() {
        let mut scene = Scene::new();
        let asked = scene.ask::<true>();
        drop(scene.commands.recv().await.expect("a question"));
        drop(scene.connect().recv().await.expect("the same question"));
        let mut third = scene.connect();
        assert!(matches!(asked.await.unwrap(), Err(RequestError::ConnectionLost)));
        assert!(third.try_recv().is_err());
    }

    /// What was asked once may have been carried out, whatever becomes of the second try.
    #[tokio::test(start_paused = true)]
    async fn a_second_connection_that_is_gone_does_not_make_the_first_question_unasked() {
        let mut scene = Scene::new();
        let asked = scene.ask::<true>();
        drop(scene.commands.recv().await.expect("a question"));
        drop(scene.connect());
        assert!(matches!(asked.await.unwrap(), Err(RequestError::ConnectionLost)));
    }

    #[tokio::test(start_paused = true)]
    async fn every_question_ends_within_its_limit() {
        // Nobody answers.
        let mut scene = Scene::new();
        let begun = now();
        let (first, second) = (scene.ask::<true>(), scene.ask::<false>());
        let held = (scene.commands.recv().await, scene.commands.recv().await);
        assert!(matches!(first.await.unwrap(), Err(RequestError::Timeout)));
        assert!(matches!(second.await.unwrap(), Err(RequestError::Timeout)));
        assert_eq!(now() - begun, LIMIT);
        drop(held);
        // The connection takes nothing.
        let begun = now();
        let full: Vec<_> = (0..6).map(|_| scene.ask::<true>()).collect();
        for asked in full {
            assert!(matches!(asked.await.unwrap(), Err(RequestError::Timeout)));
        }
        assert_eq!(now() - begun, LIMIT);
        // The connection is lost, and none comes in time.
        let mut scene = Scene::new();
        let begun = now();
        let asked = scene.ask::<true>();
        drop(scene.commands.recv().await);
        scene.line.send_replace(Line::Coming);
        assert!(matches!(asked.await.unwrap(), Err(RequestError::ConnectionLost)));
        assert_eq!(now() - begun, LIMIT);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_a_connection_that_does_not_come() {
        let mut scene = Scene::new();
        let begun = now();
        let asked = scene.ask::<true>();
        drop(scene.commands.recv().await);
        scene.line.send_replace(Line::Gone);
        assert!(matches!(asked.await.unwrap(), Err(RequestError::ConnectionLost)));
        // The same when the account's actor is gone,
        let mut scene = Scene::new();
        let asked = scene.ask::<true>();
        drop(scene.commands.recv().await);
        drop(scene.line);
        assert!(matches!(asked.await.unwrap(), Err(RequestError::ConnectionLost)));
        // and when nothing was sent at all.
        let scene = Scene::new();
        let requester = scene.requester.clone();
        drop((scene.commands, scene.line));
        let asked = requester.ask(Question::<true>, LIMIT).await;
        assert!(matches!(asked, Err(RequestError::NotConnected)), "{asked:?}");
        assert_eq!(now(), begun);
    }
}
