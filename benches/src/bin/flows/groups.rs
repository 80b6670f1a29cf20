//! Groups: the first message with our key for everybody, those after it, and what the other chats notice.

use wa_benches::child::Child;
use wa_benches::times::Times;
use wa_benches::usage::Usage;
use wa_benches::{Fallible, say};

use crate::{Scene, address};

/// A group, and how it is written to.
pub(crate) struct Groups {
    /// Members of the group that is written to and read, the two that do it included.
    pub(crate) members: usize,
    /// Members of the large group, with two devices each.
    pub(crate) large: usize,
    /// Texts after the first one.
    pub(crate) messages: usize,
    pub(crate) window: usize,
    /// How often the large group is written to.
    pub(crate) rounds: usize,
}

/// Two people with one companion each, who write to each other, and a crowd.
struct Cast {
    sender: Child,
    receiver: Child,
    other: String,
    group: String,
    /// Goes last: the others have files in it.
    scene: Scene,
}

impl Cast {
    fn new(members: usize, devices: usize) -> Fallible<Self> {
        let mut scene = Scene::new()?;
        let crowd = scene.server.ask(&format!("crowd {} {devices}", members.saturating_sub(2).max(1)))?;
        let (mut sender, mut receiver) = (scene.accounts("sender")?, scene.accounts("receiver")?);
        sender.ask("pair 1")?;
        receiver.ask("pair 1")?;
        sender.ask("open 1")?;
        let other = address(&receiver.ask("open 1")?)?;
        receiver.tell("receive 1")?;
        sender.ask(&format!("send {other} 1 1"))?;
        receiver.answer()?;
        let group = sender.ask(&format!("create {crowd},{other}"))?;
        Ok(Self { sender, receiver, other, group, scene })
    }

    /// Sends texts to the group, and receives them.
    fn send(&mut self, count: usize, window: usize) -> Fallible<[Usage; 2]> {
        self.receiver.tell(&format!("receive {count}"))?;
        let sent = self.sender.usage(&format!("send {} {count} {window}", self.group))?;
        Ok([sent, self.receiver.answer()?.parse()?])
    }
}

impl Groups {
    /// CPU time per message, to a group whose members have a device each.
    pub(crate) fn cost(&self) -> Fallible<()> {
        let mut cast = Cast::new(self.members, 1)?;
        cast.scene.server.usage("usage")?;
        let [first, _] = cast.send(1, 1)?;
        let server = cast.scene.server.usage("usage")?;
        say(&format!(
            "group     first message to {} members: {:.1} ms until its ack; {:.1} ms CPU and {} in all, the server {:.1} ms CPU",
            self.members,
            first.wall.as_secs_f64() * 1e3,
            first.cpu_us_per(1000),
            first.allocations_per(1),
            server.cpu_us_per(1000),
        ))?;
        let [sent, received] = cast.send(self.messages, self.window)?;
        let server = cast.scene.server.usage("usage")?;
        for (side, used) in [("sent", sent), ("received", received), ("server", server)] {
            say(&format!(
                "group     {side:8} {} after it in {:.2} s; {:.1} µs CPU and {} each; {} KiB resident",
                self.messages,
                used.wall.as_secs_f64(),
                used.cpu_us_per(self.messages),
                used.allocations_per(self.messages),
                used.resident_kib,
            ))?;
        }
        Ok(())
    }

    /// How long a message to a large group takes, and one to somebody else meanwhile.
    pub(crate) fn delay(&self) -> Fallible<()> {
        let mut cast = Cast::new(self.large, 2)?;
        let (group, other) = (cast.group.clone(), cast.other.clone());
        let name = format!("{} members with two devices each", self.large);
        self.overtake(&mut cast, &format!("first message to {name}"))?;

        let answer = cast.sender.ask(&format!("compare {group} {other} {}", self.rounds))?;
        let [ready, on_wire, acked, alone, beside, used] = answer.split(';').collect::<Vec<_>>()[..] else {
            return Err(answer.into());
        };
        let used: Usage = used.parse()?;
        say(&format!(
            "large     {} more: ready {}, on the wire {}, acked {}; {:.0} µs CPU and {} each",
            self.rounds,
            shown(ready)?,
            shown(on_wire)?,
            shown(acked)?,
            used.cpu_us_per(self.rounds),
            used.allocations_per(self.rounds),
        ))?;
        say(&format!(
            "large     another chat's message: acked {} alone, {} when sent together with the group's",
            shown(alone)?,
            shown(beside)?,
        ))?;

        // A fresh process: all that is known of the group and its devices comes from the store.
        cast.sender = cast.scene.accounts("sender")?;
        cast.sender.ask("open 1")?;
        self.overtake(&mut cast, "after a restart")
    }

    /// One message to the group, and as many to the other chat as fit beside it.
    fn overtake(&self, cast: &mut Cast, what: &str) -> Fallible<()> {
        let answer = cast.sender.ask(&format!("overtake {} {}", cast.group, cast.other))?;
        let [ready, on_wire, acked, beside, count, used] = answer.split(';').collect::<Vec<_>>()[..] else {
            return Err(answer.into());
        };
        let used: Usage = used.parse()?;
        say(&format!(
            "large     {what}: ready {}, on the wire {}, acked {}; {count} messages to another chat meanwhile: {} each; {:.1} ms CPU for all",
            shown(ready)?,
            shown(on_wire)?,
            shown(acked)?,
            shown(beside)?,
            used.cpu_us_per(1000),
        ))
    }
}

fn shown(times: &str) -> Fallible<String> {
    Ok(times.parse::<Times>()?.shown())
}
