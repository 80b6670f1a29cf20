//! Groups as their admins change them, channels, who is there, and what an account's devices share: commands and events.

use serde::Deserialize;
use serde_json::{Value, json};
use wa_core::app_state::Action;
use wa_core::app_state::action::{ChatAction, ContactAction, MessageRange, SettingAction};
use wa_core::client::{Audience, Mute};
use wa_core::event::{
    AppStateEvent, ChatStateChanged, GroupChange, GroupChanged, GroupSetting, NewsletterEvent,
    PresenceChanged, PresenceState, Typing,
};
use wa_core::types::Jid;
use wa_core::{Client, Message, SendOptions};

use crate::{Address, Result, users};

#[derive(Deserialize)]
#[serde(tag = "act", rename_all = "snake_case")]
pub(crate) enum Act {
    /// Changes a group.
    Subject {
        group: Address,
        value: String,
    },
    Description {
        group: Address,
        value: Option<String>,
    },
    Announcement {
        group: Address,
        value: bool,
    },
    Locked {
        group: Address,
        value: bool,
    },
    Approval {
        group: Address,
        value: bool,
    },
    Expiration {
        group: Address,
        value: u32,
    },
    Promote {
        group: Address,
        members: Vec<Address>,
    },
    Demote {
        group: Address,
        members: Vec<Address>,
    },
    /// Comes and goes by links.
    InviteLink {
        group: Address,
    },
    Join {
        link: String,
    },
    Requests {
        group: Address,
    },
    Approve {
        group: Address,
        members: Vec<Address>,
    },
    Leave {
        group: Address,
    },
    /// Presence.
    Available {
        value: bool,
    },
    Watch {
        user: Address,
    },
    Typing {
        chat: Address,
        state: State,
    },
    /// What the account's devices share.
    Pin {
        chat: Address,
        value: bool,
    },
    Mute {
        chat: Address,
        value: bool,
    },
    Archive {
        chat: Address,
        value: bool,
    },
    PushName {
        value: String,
    },
    /// Channels.
    CreateChannel {
        name: String,
    },
    Follow {
        channel: Address,
    },
    LiveUpdates {
        channel: Address,
    },
    ReactToPost {
        channel: Address,
        post: u64,
        emoji: String,
    },
    /// Status.
    PostStatus {
        value: String,
        members: Vec<Address>,
    },
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    Composing,
    Recording,
    Paused,
}

impl From<State> for Typing {
    fn from(state: State) -> Self {
        match state {
            State::Composing => Self::Composing,
            State::Recording => Self::Recording,
            State::Paused => Self::Paused,
        }
    }
}

/// Does it, and gives what it is answered with.
pub(crate) async fn act(client: &Client, act: Act) -> Result<Value> {
    let (groups, channels) = (client.groups(), client.newsletters());
    match act {
        Act::Subject { group, value } => groups.set_subject(&group.0, &value).await?,
        Act::Description { group, value } => groups.set_description(&group.0, value.as_deref()).await?,
        Act::Announcement { group, value } => {
            groups.set(&group.0, GroupSetting::Announcement(value)).await?;
        }
        Act::Locked { group, value } => groups.set(&group.0, GroupSetting::Locked(value)).await?,
        Act::Approval { group, value } => groups.set(&group.0, GroupSetting::JoinApproval(value)).await?,
        Act::Expiration { group, value } => {
            groups.set(&group.0, GroupSetting::expiration(value)).await?;
        }
        Act::Promote { group, members } => {
            all_well(groups.promote(&group.0, &users(members)).await?.into_iter().map(|one| one.result))?;
        }
        Act::Demote { group, members } => {
            all_well(groups.demote(&group.0, &users(members)).await?.into_iter().map(|one| one.result))?;
        }
        Act::InviteLink { group } => return Ok(json!({ "link": groups.invite_link(&group.0).await? })),
        Act::Join { link } => drop(groups.join_by_link(&link).await?),
        Act::Requests { group } => {
            let asked = groups.join_requests(&group.0).await?;
            let users: Vec<String> = asked.iter().map(|request| request.user.to_string()).collect();
            return Ok(json!({ "users": users }));
        }
        Act::Approve { group, members } => {
            all_well(groups.approve(&group.0, &users(members)).await?.into_iter().map(|one| one.result))?;
        }
        Act::Leave { group } => groups.leave(&group.0).await?,
        Act::Available { value } => client.set_available(value).await?,
        Act::Watch { user } => client.presence().subscribe(&user.0.to_user()).await?,
        Act::Typing { chat, state } => client.presence().typing(&chat.0.to_chat(), state.into()).await?,
        Act::Pin { chat, value: true } => client.chats().pin(&chat.0).await?,
        Act::Pin { chat, value: false } => client.chats().unpin(&chat.0).await?,
        Act::Mute { chat, value: true } => client.chats().mute(&chat.0, Mute::Forever).await?,
        Act::Mute { chat, value: false } => client.chats().unmute(&chat.0).await?,
        Act::Archive { chat, value: true } => {
            client.chats().archive(&chat.0, MessageRange::default()).await?;
        }
        Act::Archive { chat, value: false } => {
            client.chats().unarchive(&chat.0, MessageRange::default()).await?;
        }
        Act::PushName { value } => client.settings().set_push_name(&value).await?,
        Act::CreateChannel { name } => {
            let channel = channels.create(&name, None, None).await?;
            return Ok(json!({ "channel": channel.jid.to_string() }));
        }
        Act::Follow { channel } => channels.follow(&channel.0).await?,
        Act::LiveUpdates { channel } => drop(channels.subscribe(&channel.0).await?),
        Act::ReactToPost { channel, post, emoji } => channels.react(&channel.0, post, Some(&emoji)).await?,
        Act::PostStatus { value, members } => {
            let options = SendOptions::new().audience(Audience::Only(users(members)));
            let sent = client.send_with(&Jid::STATUS, Message::text(value), options).await?;
            return Ok(json!({ "id": sent.id.as_str() }));
        }
    }
    Ok(json!({}))
}

fn all_well<E: std::fmt::Debug>(
    mut outcomes: impl Iterator<Item = std::result::Result<(), E>>,
) -> Result<()> {
    match outcomes.find_map(std::result::Result::err) {
        Some(refusal) => Err(format!("refused: {refusal:?}").into()),
        None => Ok(()),
    }
}

/// What changed in a group; none for what this suite does not look at.
pub(crate) fn group(changed: &GroupChanged) -> Option<Value> {
    let group = changed.group.to_string();
    let members = |what: &str, members: &[wa_store::GroupMember]| {
        let addresses = members.iter().flat_map(|member| [&member.pn, &member.lid]).flatten();
        let addresses: Vec<String> = addresses.map(Jid::to_string).collect();
        json!({ "event": "group", "group": group, "change": what, "members": addresses })
    };
    let setting = |what: &str, value: Value| json!({ "event": "group", "group": group, "change": what, "value": value });
    Some(match &changed.change {
        GroupChange::Created(created) => members("created", &created.members),
        GroupChange::Added { members: added, .. } => members("added", added),
        GroupChange::Removed { members: removed, .. } => members("removed", removed),
        GroupChange::Promoted { members: promoted } => members("promoted", promoted),
        GroupChange::Demoted { members: demoted } => members("demoted", demoted),
        GroupChange::Subject { subject, .. } => setting("subject", subject.as_str().into()),
        GroupChange::Description { description } => {
            setting("description", description.as_ref().map(|description| description.text.clone()).into())
        }
        GroupChange::Setting(GroupSetting::Announcement(value)) => setting("announcement", (*value).into()),
        GroupChange::Setting(GroupSetting::Locked(value)) => setting("locked", (*value).into()),
        GroupChange::Setting(GroupSetting::JoinApproval(value)) => setting("approval", (*value).into()),
        GroupChange::Setting(GroupSetting::Expiration { seconds, .. }) => {
            setting("expiration", (*seconds).into())
        }
        GroupChange::JoinRequested { users, .. } => members("requested", users),
        _ => return None,
    })
}

/// What another device of the account changed; none for what this suite does not look at.
pub(crate) fn state(event: &AppStateEvent) -> Option<Value> {
    let AppStateEvent::Changed(changed) = event else { return None };
    let told = |what: &str, of: Option<&Jid>, value: Value| json!({ "event": "state", "what": what, "of": of.map(Jid::to_string), "value": value });
    Some(match changed.action.as_ref()? {
        Action::Chat(ChatAction::Pin { chat, pinned, .. }) => told("pin", Some(chat), (*pinned).into()),
        Action::Chat(ChatAction::Mute { chat, muted, .. }) => told("mute", Some(chat), (*muted).into()),
        Action::Chat(ChatAction::Archive { chat, archived, .. }) => {
            told("archive", Some(chat), (*archived).into())
        }
        Action::Contact(ContactAction::Contact { pn, full_name, .. }) => {
            told("contact", Some(pn), full_name.clone().into())
        }
        Action::Setting(SettingAction::PushName { name, .. }) => told("push_name", None, name.clone().into()),
        _ => return None,
    })
}

pub(crate) fn presence(changed: &PresenceChanged) -> Value {
    let is_there = matches!(changed.state, PresenceState::Available);
    json!({ "event": "presence", "chat": changed.chat.to_string(), "is_there": is_there })
}

pub(crate) fn typing(changed: &ChatStateChanged) -> Value {
    let state = match changed.state {
        Typing::Composing => "composing",
        Typing::Recording => "recording",
        _ => "paused",
    };
    let (chat, user) = (changed.chat.to_string(), changed.user.to_string());
    json!({ "event": "typing", "chat": chat, "sender": user, "state": state })
}

/// What became of the posts of a channel.
pub(crate) fn channel(event: &NewsletterEvent) -> Vec<Value> {
    let NewsletterEvent::Posts { newsletter, posts } = event else { return Vec::new() };
    let told = posts.iter().map(|post| {
        json!({
            "event": "post",
            "channel": newsletter.to_string(),
            "post": post.number,
            "reactions": post.reactions.iter().map(|(emoji, _)| emoji.as_str()).collect::<Vec<_>>(),
        })
    });
    told.collect()
}
