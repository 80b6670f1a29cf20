//! Other people: who is on WhatsApp, and what they tell of themselves. Protocol: IQ catalogue, "usync".

use wa_types::{Jid, PhoneNumber};

use super::Client;
use crate::connection::RequestError;
use crate::crypto::{Random as _, SystemRandom};
use crate::driver::command::{Job, PeopleJob};
use crate::driver::people::Reply;
use crate::error::CallError;
use crate::stanza::StanzaError;
pub use crate::stanza::iq::bots::Bot;
use crate::stanza::iq::bots::FetchBots;
pub use crate::stanza::iq::business::VerifiedName;
use crate::stanza::iq::picture::FetchPicture;
pub use crate::stanza::iq::picture::{Picture, PictureSize, PictureState};
use crate::stanza::iq::usync::info::FetchUserInfo;
pub use crate::stanza::iq::usync::info::{About, Part, PartRefused, TextStatus, UserInfo};
pub use crate::stanza::iq::usync::lookup::{FoundUser, UserRefusal};
use crate::stanza::iq::usync::lookup::{LookUpNumbers, LookUpUsername};

/// How many users stand in one question.
const BATCH: usize = 256;

/// Other people; [`Client::users`] gives it.
#[derive(Debug, Clone, Copy)]
pub struct Users<'c> {
    client: &'c Client,
}

impl Client {
    /// Other people.
    #[must_use]
    pub const fn users(&self) -> Users<'_> {
        Users { client: self }
    }
}

/// What became of one number.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NumberLookup {
    /// The number.
    pub number: PhoneNumber,
    /// Its account; `Ok(None)` when it has none.
    pub result: Result<Option<FoundUser>, UserRefusal>,
}

/// What became of the question about one user.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UserAnswer {
    /// The user, as it was asked for.
    pub user: Jid,
    /// What it tells of itself.
    pub result: Result<UserInfo, UserRefusal>,
}

/// A question about one picture.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct PictureQuery {
    /// How large.
    pub size: PictureSize,
    /// The id of the one that is known: unchanged, it is not told again.
    pub known: Option<String>,
    /// The code of an invite link, for the picture of a group that we are not in.
    pub invite: Option<String>,
    /// A group that we share with the user.
    pub common_group: Option<Jid>,
}

/// A question about a picture was not answered.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum PictureError {
    /// The user does not show it to us.
    #[error("the user does not show the picture")]
    Hidden,
    /// It did not get through, or was refused otherwise.
    #[error(transparent)]
    Call(#[from] CallError),
}

impl Users<'_> {
    /// Which of these numbers have an account, and under which addresses. The answers are in the order of the numbers.
    /// One question for every 256 of them; who looks up many numbers of strangers is soon refused with 429. The addresses
    /// that are learned are kept.
    ///
    /// # Errors
    /// [`CallError`] when nothing was answered at all. When the server refuses to go on after the first question, the
    /// numbers that are left carry that refusal each.
    pub async fn lookup(&self, numbers: &[PhoneNumber]) -> Result<Vec<NumberLookup>, CallError> {
        let mut answers = Vec::with_capacity(numbers.len());
        let mut refused = None;
        for batch in numbers.chunks(BATCH) {
            if let Some(refusal) = refused {
                answers.extend(batch.iter().map(|number| NumberLookup::refused(number, refusal)));
                continue;
            }
            let request = LookUpNumbers { sid: sid(), numbers: batch.to_vec() };
            let found = match self.client.ask(request).await {
                Ok(found) => found,
                Err(error) => {
                    let refusal = refusal_of(&error).filter(|_| !answers.is_empty()).ok_or(error)?;
                    refused = Some(refusal);
                    answers.extend(batch.iter().map(|number| NumberLookup::refused(number, refusal)));
                    continue;
                }
            };
            let users = found.iter().filter_map(|one| one.found.as_ref().ok()?.as_ref());
            let pairs = users.filter_map(|user| Some((user.pn.clone()?, user.lid.clone()?))).collect();
            self.learn(pairs).await?;
            let mut found: std::collections::HashMap<String, _> =
                found.into_iter().map(|one| (one.digits, one.found)).collect();
            answers.extend(batch.iter().map(|number| NumberLookup {
                number: number.clone(),
                result: found.remove(number.as_str()).unwrap_or(Err(UserRefusal::NoAnswer)),
            }));
        }
        Ok(answers)
    }

    /// Who has this user name. Some users can be found only by those who know their key.
    ///
    /// # Errors
    /// [`CallError`]; refused with 429 when too many names were tried.
    pub async fn by_username(
        &self,
        username: &str,
        key: Option<&str>,
    ) -> Result<Result<Option<FoundUser>, UserRefusal>, CallError> {
        let username = username.trim_start_matches('@').to_owned();
        let request = LookUpUsername { sid: sid(), username, pin: key.map(str::to_owned) };
        let Some(answer) = self.client.ask(request).await? else { return Ok(Ok(None)) };
        if let Ok(Some(FoundUser { pn: Some(pn), lid: Some(lid), .. })) = &answer.found {
            self.learn(vec![(pn.clone(), lid.clone())]).await?;
        }
        Ok(answer.found)
    }

    /// What these users tell of themselves: about text, picture, devices, user name, business. The answers are in the
    /// order of the users; what a user hides from us is refused part by part.
    ///
    /// # Errors
    /// As [`Self::lookup`].
    pub async fn info(&self, users: &[Jid]) -> Result<Vec<UserAnswer>, CallError> {
        let mut answers = Vec::with_capacity(users.len());
        let mut refused = None;
        for batch in users.chunks(BATCH) {
            let refuse = |refusal| move |user: &Jid| UserAnswer { user: user.clone(), result: Err(refusal) };
            if let Some(refusal) = refused {
                answers.extend(batch.iter().map(refuse(refusal)));
                continue;
            }
            let asked = batch.iter().map(Jid::to_user).collect();
            let found = match self.client.ask(FetchUserInfo { sid: sid(), users: asked }).await {
                Ok(found) => found,
                Err(error) => {
                    let refusal = refusal_of(&error).filter(|_| !answers.is_empty()).ok_or(error)?;
                    refused = Some(refusal);
                    answers.extend(batch.iter().map(refuse(refusal)));
                    continue;
                }
            };
            let mut pairs = Vec::new();
            for info in &found {
                let others = [&info.lid, &info.pn].into_iter().flatten();
                let others = others.filter(|other| other.is_lid() != info.user.is_lid());
                pairs.extend(others.map(|other| (info.user.clone(), other.clone())));
            }
            self.learn(pairs).await?;
            answers.extend(batch.iter().map(|user| {
                let is_it = |info: &&UserInfo| {
                    [Some(&info.user), info.lid.as_ref(), info.pn.as_ref()]
                        .into_iter()
                        .flatten()
                        .any(|known| known.is_same_user(user))
                };
                let result = found.iter().find(is_it).cloned().ok_or(UserRefusal::NoAnswer);
                UserAnswer { user: user.clone(), result }
            }));
        }
        Ok(answers)
    }

    /// The about text of a user; `None` when there is none.
    ///
    /// # Errors
    /// [`CallError`]; refused with 401 or 403 when the user hides it.
    pub async fn about(&self, user: &Jid) -> Result<Option<About>, CallError> {
        let answer = self.info(std::slice::from_ref(user)).await?.into_iter().next();
        let refused = |code| RequestError::Malformed(StanzaError::Refused { part: "status", code }).into();
        match answer.map(|answer| answer.result) {
            Some(Ok(info)) => info.about.map_err(|PartRefused { code }| refused(code)),
            Some(Err(UserRefusal::Refused { code })) => Err(refused(code)),
            _ => Err(refused(404)),
        }
    }

    /// Where the picture of a user or a group is. Fetch it from there; it is not encrypted. A token of trust that the user
    /// gave us goes along.
    ///
    /// # Errors
    /// [`PictureError`].
    pub async fn picture(&self, of: &Jid, query: PictureQuery) -> Result<PictureState, PictureError> {
        let token = if of.is_user() {
            let user = of.clone();
            self.client.people(|reply| PeopleJob::Token { user, reply }).await?
        } else {
            None
        };
        let PictureQuery { size, known, invite, common_group } = query;
        let request = FetchPicture { of: of.to_chat(), size, known, invite, common_group, token };
        match self.client.ask(request).await {
            Ok(state) => Ok(state),
            Err(CallError::Request(RequestError::Refused(refusal))) if refusal.code == 404 => {
                Ok(PictureState::NotSet)
            }
            Err(CallError::Request(RequestError::Refused(refusal))) if refusal.code == 401 => {
                Err(PictureError::Hidden)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Which bots there are.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn bots(&self) -> Result<Vec<Bot>, CallError> {
        self.client.ask(FetchBots).await
    }

    async fn learn(&self, pairs: Vec<(Jid, Jid)>) -> Result<(), CallError> {
        if pairs.is_empty() {
            return Ok(());
        }
        self.client.people(|reply| PeopleJob::Learn { pairs, reply }).await
    }
}

impl Client {
    /// Asks the account's actor about people.
    pub(super) async fn people<T>(&self, job: impl FnOnce(Reply<T>) -> PeopleJob) -> Result<T, CallError> {
        self.call(|reply| Job::People(Box::new(job(reply)))).await?
    }
}

impl NumberLookup {
    fn refused(number: &PhoneNumber, refusal: UserRefusal) -> Self {
        Self { number: number.clone(), result: Err(refusal) }
    }
}

/// The refusal of a whole question, as each of its users gets it; `None` when it was no refusal.
fn refusal_of(error: &CallError) -> Option<UserRefusal> {
    match error {
        CallError::Request(RequestError::Refused(refusal)) => {
            Some(UserRefusal::Refused { code: refusal.code })
        }
        CallError::Request(RequestError::Malformed(StanzaError::Refused { code, .. })) => {
            Some(UserRefusal::Refused { code: *code })
        }
        _ => None,
    }
}

/// A text that names one question.
fn sid() -> String {
    format!("{:016x}", u64::from_be_bytes(SystemRandom.array()))
}
