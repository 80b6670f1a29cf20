//! Many accounts in one manager.

use wa_benches::times::Times;
use wa_benches::usage::Usage;
use wa_benches::{Fallible, say};

use crate::Scene;

/// What was asked for, R161: so many MiB for an account.
const MEMORY: f64 = 500.0;

/// R160: so many accounts run in one process: restored after its start until all are ready, a message to each of them,
/// and all stopped.
pub(crate) fn clients(count: usize) -> Fallible<()> {
    let mut scene = Scene::new()?;
    scene.link(count)?;
    let (mut accounts, _) = scene.accounts()?;
    let restored = accounts.usage(&format!("restore {count}"))?;
    let connected = accounts.ask("connected")?;
    accounts.tell(&format!("receive {count}"))?;
    accounts.answer()?;
    scene.server.ask(&format!("write {count}"))?;
    let received: Usage = accounts.answer()?.parse()?;
    let stopped = accounts.usage("stop")?;
    for (what, used) in
        [("restored until ready", restored), ("received a message", received), ("stopped", stopped)]
    {
        say(&format!(
            "clients    {count} {what}: {:.2} s in all; {:.0} µs CPU and {} each; {} KiB resident",
            used.wall.as_secs_f64(),
            used.cpu_us_per(count),
            used.allocations_per(count),
            used.resident_kib,
        ))?;
    }
    say(&format!("clients    {connected} of {count} were connected at the same time"))?;
    accounts.ask("end")?;
    if connected.parse() != Ok(count) {
        return Err(format!("clients: {connected} instead of {count} were connected").into());
    }
    Ok(())
}

/// R161: memory of a process with a manager and so many accounts that are linked, ready and idle, in SQLite all of them;
/// the test server is another process.
pub(crate) fn memory(counts: &[usize]) -> Fallible<()> {
    let most = counts.last().copied().unwrap_or(0);
    let scene = Scene::new()?;
    scene.link(most)?;
    // A fresh process: what pairing left behind is no part of it.
    let (mut accounts, [none, stopped]) = scene.accounts()?;
    let mib = |more: u64, accounts: usize| more as f64 / 1024.0 / accounts as f64;
    say(&format!(
        "memory     {} KiB resident without a manager, {} with one of {most} accounts that are stopped: {:.3} MiB each",
        none.resident_kib,
        stopped.resident_kib,
        mib(stopped.resident_kib.saturating_sub(none.resident_kib), most),
    ))?;
    let (mut before, mut resident) = (0, stopped.resident_kib);
    for &count in counts {
        let used = accounts.usage(&format!("start {count}"))?;
        let files = accounts.ask("files")?;
        let each = mib(used.resident_kib.saturating_sub(none.resident_kib), count);
        say(&format!(
            "memory     {count} ready: {} KiB resident, {each:.3} MiB each with manager and database; {:.3} MiB for each of the last {} starts; {files} files open",
            used.resident_kib,
            mib(used.resident_kib.saturating_sub(resident), count - before),
            count - before,
        ))?;
        if each > MEMORY {
            return Err(format!("memory: an account takes {each:.0} MiB instead of {MEMORY} at most").into());
        }
        (before, resident) = (count, used.resident_kib);
    }
    accounts.ask("end")?;
    Ok(())
}

/// R003: so many accounts are made and linked at the same time, each to a phone of its own, until they are ready.
pub(crate) fn pairings(count: usize) -> Fallible<()> {
    let scene = Scene::new()?;
    let (mut accounts, _) = scene.accounts()?;
    let answer = accounts.ask(&format!("link {count} {count}"))?;
    let (used, times) = answer.split_once(';').ok_or("no times")?;
    let (used, times): (Usage, Times) = (used.parse()?, times.parse()?);
    say(&format!(
        "pairings   {count} at the same time: {:.2} s until all are ready; {} each; {:.0} µs CPU and {} each; {} KiB resident",
        used.wall.as_secs_f64(),
        times.spread(),
        used.cpu_us_per(count),
        used.allocations_per(count),
        used.resident_kib,
    ))?;
    accounts.ask("end")?;
    Ok(())
}
