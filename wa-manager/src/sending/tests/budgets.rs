//! No budget is ever exceeded, whatever is sent, whenever the process ends, and whatever the clocks say.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use proptest::prelude::*;
use wa_core::Message;
use wa_types::{Jid, MessageId, UnixMillis};

use super::scene::{DAY, HOUR, MINUTE, Scene, pn};
use super::stubborn::Stubborn;
use crate::sending::{Actor, Decision, Fate, GateConfig, Next, Recipient, SendRequest, Start};
use crate::store::{ManagerStore, MemoryManagerStore, SqliteManagerStore};
use crate::trust::{Deed, Lane, OnLimit, Zone};

/// What may happen to an account.
#[derive(Debug, Clone)]
enum Step {
    /// To a person under one of their addresses or both, a group or the status feed.
    Ask {
        to: u8,
        form: u8,
        text: u8,
        waits: bool,
    },
    /// The same, and whoever asks goes away half-way; the process, too, sometimes.
    Dropped {
        to: u8,
        kill: bool,
    },
    Lookup {
        numbers: u32,
    },
    /// A group is made with so many strangers, or they are added to one.
    Strangers {
        count: u32,
        is_new: bool,
    },
    /// What waits has its turn.
    Turn,
    Fate {
        fate: u8,
    },
    Wait {
        seconds: u64,
    },
    /// The process ends, wherever it is, and begins anew.
    Kill,
    Wall {
        hours: i64,
    },
    Login,
    Inbound {
        to: u8,
    },
    /// What was used today is forgiven.
    Reset,
    /// Somebody sets how many a day there may be.
    DailyLimit {
        limit: u32,
    },
    /// The same holds for answers, or no longer.
    Strict {
        is_strict: bool,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..15_u8, 0..3_u8, 0..3_u8, any::<bool>())
            .prop_map(|(to, form, text, waits)| Step::Ask { to, form, text, waits }),
        1 => (0..15_u8, any::<bool>()).prop_map(|(to, kill)| Step::Dropped { to, kill }),
        1 => (1..20_u32).prop_map(|numbers| Step::Lookup { numbers }),
        1 => (0..4_u32, any::<bool>()).prop_map(|(count, is_new)| Step::Strangers { count, is_new }),
        3 => Just(Step::Turn),
        2 => (0..5_u8).prop_map(|fate| Step::Fate { fate }),
        5 => (0..20_000_u64).prop_map(|seconds| Step::Wait { seconds }),
        2 => Just(Step::Kill),
        1 => (-900..900_i64).prop_map(|hours| Step::Wall { hours }),
        1 => Just(Step::Login),
        1 => (0..15_u8).prop_map(|to| Step::Inbound { to }),
        1 => Just(Step::Reset),
        1 => (1..60_u32).prop_map(|limit| Step::DailyLimit { limit }),
        1 => any::<bool>().prop_map(|is_strict| Step::Strict { is_strict }),
    ]
}

fn recipient(to: u8, form: u8) -> Recipient {
    let number = to.to_string();
    match to {
        0 => Recipient::of(&"9-9@g.us".parse().unwrap()),
        1 => Recipient::of(&Jid::STATUS),
        _ => {
            let (pn, lid) = (pn(&number), Jid::lid(format!("90{number}")));
            match form {
                0 => Recipient::with_addresses(&pn, Some(&pn), Some(&lid)),
                1 => Recipient::with_addresses(&lid, Some(&pn), Some(&lid)),
                _ => Recipient::of(&pn),
            }
        }
    }
}

/// One that left, when, on which lane, to whom, what it said, and at which level.
struct Left {
    id: MessageId,
    at: UnixMillis,
    lane: Lane,
    to: u8,
    text: Option<u8>,
    level: u8,
    /// How many a day there may be then.
    daily: u32,
    /// How often what was used was forgiven before.
    resets: u32,
    count: u32,
    is_new_group: bool,
}

async fn run(
    mut scene: Scene,
    steps: Vec<Step>,
    stubborn: Option<Arc<Stubborn>>,
) -> Result<(), TestCaseError> {
    let mut left: Vec<Left> = Vec::new();
    let mut ids: Vec<MessageId> = Vec::new();
    let mut people: HashMap<MessageId, (u8, u8)> = HashMap::new();
    let (actor, mut resets) = (Actor::new("somebody"), 0);
    for step in steps {
        let (at, known) = (scene.world(), left.len());
        let note = |id: &MessageId, lane: Lane, to: u8, text: u8| Left {
            id: id.clone(),
            at,
            lane,
            to,
            text: Some(text),
            level: 0,
            daily: 0,
            resets,
            count: 1,
            is_new_group: false,
        };
        match step {
            Step::Ask { to, form, text, waits } => {
                let recipient = recipient(to, form);
                let address =
                    if to > 1 && form == 1 { Jid::lid(format!("90{to}")) } else { recipient.to.clone() };
                let mut request = SendRequest::new(address, Message::text(format!("text {text}")));
                if waits {
                    request = request.on_limit(OnLimit::Enqueue { deadline: DAY });
                }
                match scene.gate.ask(&request, &recipient).await {
                    Ok(Decision::Send(reserved)) => {
                        left.push(note(&reserved.id, reserved.lane, to, text));
                        ids.push(reserved.id);
                    }
                    Ok(Decision::Queued(queued)) => {
                        people.insert(queued.id, (to, text));
                    }
                    Ok(other) => prop_assert!(false, "{other:?}"),
                    Err(error) => {
                        prop_assert!(error.until().is_none_or(|until| until > at), "{error:?}");
                    }
                }
            }
            Step::Dropped { to, kill } => {
                let request = SendRequest::new(recipient(to, 2).to.clone(), Message::text("dropped"));
                if let Some(store) = &stubborn {
                    store.hang_once();
                }
                drop(scene.gate.ask(&request, &recipient(to, 2)).now_or_never());
                if let Some(store) = &stubborn {
                    store.go_on();
                }
                if kill {
                    scene.restart().await;
                    scene.login().await;
                }
            }
            Step::Lookup { numbers } => {
                let id = MessageId::new(format!("lookup {}", at.0));
                let known = scene.store.reservation(&super::scene::id(), id.as_str()).await.unwrap();
                let deed = Deed::Lookup { numbers };
                if known.is_none() && scene.gate.ask_deed(&id, &deed).await.is_ok() {
                    left.push(Left { text: None, count: numbers, ..note(&id, Lane::Lookup, 255, 0) });
                }
            }
            Step::Strangers { count, is_new } => {
                let id = MessageId::new(format!("group {}", at.0));
                let known = scene.store.reservation(&super::scene::id(), id.as_str()).await.unwrap();
                let deed = match is_new {
                    true => Deed::CreateGroup { strangers: count },
                    false => Deed::AddToGroup { strangers: count },
                };
                if known.is_none() && scene.gate.ask_deed(&id, &deed).await.is_ok() {
                    let note = note(&id, Lane::GroupAdmin, 255, 0);
                    left.push(Left { text: None, count, is_new_group: is_new, ..note });
                }
            }
            Step::Turn => {
                let known = people.clone();
                let tells = move |to: Jid| {
                    let person = known.values().map(|(person, _)| person).find(|person| {
                        let recipient = recipient(**person, 0);
                        recipient.to == to || recipient.addresses.lid.as_ref() == Some(&to)
                    });
                    let found = person.map_or_else(|| Recipient::of(&to), |person| recipient(*person, 0));
                    std::future::ready(Recipient { to, ..found })
                };
                if let Next::Send(reserved) = scene.gate.next(tells).await.unwrap() {
                    if !reserved.is_again {
                        let (to, text) = people[&reserved.id];
                        left.push(note(&reserved.id, reserved.lane, to, text));
                    }
                    ids.push(reserved.id.clone());
                    // Sometimes the process ends before this.
                    if !at.0.is_multiple_of(3) {
                        scene.gate.handed_over(&reserved.id).await.unwrap();
                    }
                }
            }
            Step::Fate { fate } => {
                if let Some(id) = ids.pop() {
                    let is_nobody = fate == 3;
                    let fate = match fate {
                        0 => Fate::Sent { at: None, chat: None },
                        1 => Fate::Refused(463),
                        2 => Fate::Refused(500),
                        3 => Fate::Nobody,
                        _ => Fate::Unknown,
                    };
                    let settled = scene.gate.settle(&id, fate).await.unwrap();
                    // It never left, and is given back but to those who try numbers.
                    if let Some(place) = left.iter().position(|one| one.id == id)
                        && is_nobody
                        && settled.is_some()
                        && !left[place].lane.is_to_stranger()
                    {
                        left.remove(place);
                    }
                }
            }
            Step::Wait { seconds } => scene.pass(Duration::from_secs(seconds)),
            Step::Kill => {
                scene.restart().await;
                scene.login().await;
            }
            Step::Wall { hours } => {
                scene.set_wall(UnixMillis(at.0.saturating_add_signed(hours * 3_600_000)));
            }
            Step::Login => scene.login().await,
            Step::Inbound { to } if to > 1 => {
                let of = recipient(to, 0).addresses;
                let past = crate::inbound::Past {
                    pn: of.pn,
                    lid: of.lid,
                    last_inbound: Some(at),
                    ..crate::inbound::Past::default()
                };
                scene.gate.note_past(&[past]).await.unwrap();
            }
            Step::Inbound { .. } => {}
            Step::Reset => resets += u32::from(scene.gate.reset_usage(&actor, "wanted").await.is_ok()),
            // One above the level's is refused.
            Step::DailyLimit { limit } => {
                let _refused = scene.gate.set_daily_limit(limit, &actor).await;
            }
            Step::Strict { is_strict } => {
                scene.config.is_strict = is_strict;
                scene.gate.configure(scene.config.clone()).await.unwrap();
            }
        }
        // A level rises where something is asked, and falls where it is settled.
        let (level, daily) = (scene.gate.level().number(), scene.gate.snapshot().daily_limit);
        for one in left.iter_mut().skip(known) {
            (one.level, one.daily) = (level, daily);
        }
    }
    check(&scene, &left)
}

/// What left before each one, and with it, was within the limits of its level.
fn check(scene: &Scene, left: &[Left]) -> Result<(), TestCaseError> {
    for (place, last) in left.iter().enumerate() {
        let level = crate::trust::TrustLevel::new(last.level).unwrap();
        let limits = scene.config.table.level(level);
        let sum = |span: Duration, which: &dyn Fn(Lane) -> bool| {
            let inside = left[..=place].iter().filter(|one| last.at.since(one.at) <= span && which(one.lane));
            inside.map(|one| one.count).sum::<u32>()
        };
        let is_paced = |lane: Lane| lane.is_counted() && lane != Lane::Reply;
        let of_today = |which: &dyn Fn(Lane) -> bool| {
            let today = Zone::UTC.day(last.at);
            let of_today = left[..=place].iter().filter(|one| Zone::UTC.day(one.at) == today);
            u32::try_from(of_today.filter(|one| which(one.lane)).count()).unwrap()
        };
        if last.lane == Lane::FirstContact {
            prop_assert!(sum(DAY, &|lane| lane == Lane::FirstContact) <= limits.first_contacts_day);
            prop_assert!(sum(DAY * 30, &|lane| lane == Lane::FirstContact) <= limits.first_contacts_month);
        }
        if is_paced(last.lane) {
            prop_assert!(sum(HOUR, &is_paced) <= limits.per_hour);
            prop_assert!(sum(MINUTE, &is_paced) <= limits.burst + limits.per_minute);
            let today = Zone::UTC.day(last.at);
            let is_gated = |one: &&Left| {
                Zone::UTC.day(one.at) == today && one.resets == last.resets && one.lane.is_gated()
            };
            let gated = left[..=place].iter().filter(is_gated).count();
            let daily = scene.config.tenant_cap.map_or(last.daily, |cap| cap.min(last.daily));
            prop_assert!(last.daily <= limits.daily && gated <= daily as usize);
        }
        if last.lane == Lane::Reply {
            prop_assert!(sum(MINUTE, &|lane| lane == Lane::Reply) <= limits.reply_per_minute * 2);
            prop_assert!(of_today(&|lane| lane == Lane::Reply) <= limits.reply_daily);
        }
        if last.lane == Lane::GroupAdmin {
            prop_assert!(sum(DAY, &|lane| lane == Lane::GroupAdmin) <= limits.strangers);
            let made = left[..=place].iter().filter(|one| one.is_new_group && last.at.since(one.at) <= DAY);
            prop_assert!(!last.is_new_group || made.count() <= limits.groups as usize);
        }
        let is_text = |one: &&Left| {
            let is_counted = one.lane.is_to_stranger() || one.lane == Lane::Known;
            is_counted && last.text.is_some() && one.text == last.text && last.at.since(one.at) <= DAY
        };
        if is_text(&last) {
            let readers: HashSet<u8> = left[..=place].iter().filter(is_text).map(|one| one.to).collect();
            prop_assert!(readers.len() <= limits.same_text as usize);
        }
        prop_assert!(last.lane != Lane::Status || sum(DAY, &|lane| lane == Lane::Status) <= limits.posts);
        prop_assert!(last.lane != Lane::Lookup || sum(DAY, &|lane| lane == Lane::Lookup) <= limits.lookups);
        if last.lane.is_to_stranger() {
            let to_them = left[..=place].iter().filter(|one| one.to == last.to && one.lane.is_to_stranger());
            prop_assert!(u32::try_from(to_them.count()).unwrap() <= limits.unanswered_each);
            let before = left[..place].iter().rev().find(|one| one.lane.is_to_stranger());
            if let Some(before) = before {
                let level = crate::trust::TrustLevel::new(before.level).unwrap();
                prop_assert!(last.at.since(before.at) >= scene.config.table.level(level).gap.0);
            }
        }
    }
    Ok(())
}

fn on(
    store: Arc<dyn ManagerStore>,
    steps: Vec<Step>,
    level: u8,
    stubborn: Option<Arc<Stubborn>>,
) -> Result<(), TestCaseError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let claimed = UnixMillis(super::scene::T.0 - u64::try_from((DAY * 400).as_millis()).unwrap());
        let start = Start {
            established_since: (level > 2).then_some(claimed),
            linked_since: (level == 2).then_some(claimed),
        };
        // Of some tenants less than the level allows.
        let tenant_cap = steps.len().is_multiple_of(3).then_some(20);
        let scene =
            Scene::ready(store, None, GateConfig { start, tenant_cap, ..GateConfig::default() }).await;
        run(scene, steps, stubborn).await
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn no_budget_is_exceeded_in_memory(steps in proptest::collection::vec(step(), 1..120), level in 1..=3_u8) {
        on(Arc::new(MemoryManagerStore::new()), steps, level, None)?;
    }

    /// Whoever asks goes away, or the process ends, after the commit and before anybody hears of it.
    #[test]
    fn no_budget_is_exceeded_by_those_who_go_away(steps in proptest::collection::vec(step(), 1..120), level in 1..=3_u8) {
        let store = Arc::new(Stubborn::default());
        on(Arc::clone(&store) as Arc<dyn ManagerStore>, steps, level, Some(store))?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn no_budget_is_exceeded_on_disk(steps in proptest::collection::vec(step(), 1..120), level in 1..=3_u8) {
        let directory = tempfile::tempdir().unwrap();
        let store = SqliteManagerStore::open(directory.path().join("manager")).unwrap();
        on(Arc::new(store), steps, level, None)?;
    }
}
