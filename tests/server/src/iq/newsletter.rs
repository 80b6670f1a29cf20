//! `newsletter`: what was posted in a channel, and being told what becomes of it. Protocol: IQ catalogue, "Channels".

use wa_core::wire::Node;
use wa_types::Jid;

use super::Answer;
use crate::account::DeviceKey;
use crate::newsletter::Newsletter;
use crate::stanza::Read;
use crate::state::State;

pub(super) fn answer(state: &mut State, from: DeviceKey, iq: &Node, is_set: bool) -> Answer {
    let (Some(asked), Some(to)) = (iq.nodes().first(), iq.attr_jid("to")) else { return Answer::Error(400) };
    let answer = match (asked.tag.as_ref(), is_set) {
        ("live_updates", true) => subscribe(state, from, &to),
        ("messages", false) => messages(state, from, asked),
        ("message_updates", false) => updates(state, &to, asked),
        _ => Err(400),
    };
    answer.unwrap_or_else(Answer::Error)
}

fn subscribe(state: &mut State, from: DeviceKey, jid: &Jid) -> Result<Answer, u16> {
    let newsletter = state.newsletters.find_mut(jid).ok_or(404_u16)?;
    newsletter.live.insert(from);
    Ok(Answer::one(Node::new("live_updates").attr("duration", "300")))
}

fn messages(state: &State, from: DeviceKey, asked: &Node) -> Result<Answer, u16> {
    let newsletter = match (asked.attr_text("type").as_deref(), asked.attr_text("key")) {
        (Some("invite"), Some(key)) => state.newsletters.behind(&key),
        _ => state.newsletters.find(&asked.attr_jid("jid").ok_or(400_u16)?),
    };
    let newsletter = newsletter.ok_or(404_u16)?;
    let posts = page(newsletter, asked)?
        .into_iter()
        .filter_map(|number| Some(newsletter.posts.get(&number)?.to_node(number, from.account)));
    let node = Node::new("messages").attr("jid", &newsletter.jid).attr("t", state.now_seconds());
    Ok(Answer::one(node.children(posts.collect::<Vec<_>>())))
}

fn updates(state: &State, jid: &Jid, asked: &Node) -> Result<Answer, u16> {
    let newsletter = state.newsletters.find(jid).ok_or(404_u16)?;
    let posts = page(newsletter, asked)?
        .into_iter()
        .filter_map(|number| Some(newsletter.posts.get(&number)?.counts_node(number)));
    let node = Node::new("messages").attr("jid", jid).attr("t", state.now_seconds());
    let node = node.children(posts.collect::<Vec<_>>());
    Ok(Answer::one(Node::new("message_updates").child(node)))
}

/// The numbers of the posts that are asked for, oldest first: the last ones, those before one, or those after one.
fn page(newsletter: &Newsletter, asked: &Node) -> Result<Vec<u64>, u16> {
    let count = asked.attr_number("count").and_then(|count| usize::try_from(count).ok()).ok_or(400_u16)?;
    let count = count.min(MAX_PAGE);
    let numbers = newsletter.posts.keys().copied();
    if let Some(after) = asked.attr_number("after") {
        return Ok(numbers.filter(|number| *number > after).take(count).collect());
    }
    let before = asked.attr_number("before").unwrap_or(u64::MAX);
    let mut last: Vec<u64> = numbers.rev().filter(|number| *number < before).take(count).collect();
    last.reverse();
    Ok(last)
}

const MAX_PAGE: usize = 300;
