//! What is large: media files, and the past.

use wa_benches::child::Child;
use wa_benches::usage::Usage;
use wa_benches::{Fallible, say};

use crate::{Scene, address};

/// Files up and down: over HTTPS on loopback, and without a network.
pub(crate) fn media(mib: u64) -> Fallible<()> {
    let scene = Scene::new()?;
    let mut accounts = scene.accounts("one")?;
    accounts.ask("pair 1")?;
    // A fresh process: what pairing left behind is no part of it.
    let mut accounts = scene.accounts("one")?;
    accounts.ask("open 1")?;
    let bytes = mib << 20;
    // The first file finds threads and connections to be made.
    for (size, hosts) in [(1 << 20, "hosts"), (bytes, "hosts"), (1 << 20, "local"), (bytes, "local")] {
        let answer = accounts.ask(&format!("upload {size} {hosts}"))?;
        let (encrypted, up) = answer.split_once(';').ok_or("no usage")?;
        let (up, down): (Usage, Usage) = (up.parse()?, accounts.usage("download")?);
        if size != bytes {
            continue;
        }
        let rate = |seconds: f64| bytes as f64 / 1e6 / seconds;
        let place = if hosts == "hosts" { "HTTPS on loopback" } else { "no network" };
        for (way, used) in [("up", up), ("down", down)] {
            say(&format!(
                "media     {mib} MiB {way}, {place}: {:.0} MB/s, {:.2} ms CPU per MB, {}; peak {} KiB more than before",
                rate(used.wall.as_secs_f64()),
                used.cpu.as_secs_f64() * 1e9 / bytes as f64,
                used.allocations_per(1),
                used.grown_kib,
            ))?;
        }
        if hosts == "local" {
            let seconds = encrypted.parse::<f64>()? / 1e6;
            say(&format!(
                "media     {mib} MiB encrypted and stored for the upload: {:.0} MB/s",
                rate(seconds)
            ))?;
        }
    }
    Ok(())
}

/// The past: a blob in a file, read in several ways, each in a fresh process; then from the phone to the application.
pub(crate) fn past(messages: usize) -> Fallible<()> {
    let mut scene = Scene::new()?;
    let blob = wa_benches::past::blob(messages)?;
    let path = scene.directory.path().join("past");
    std::fs::write(&path, &blob)?;
    let path = path.to_string_lossy().into_owned();
    let ways = [
        ("inflate", "limit: inflated, not read"),
        ("whole", "limit: inflated and decoded whole"),
        ("records", "records in place"),
        ("batches", "batches"),
    ];
    for (way, what) in ways {
        let mut child = Child::start(&["--role", "past", &path, way])?;
        let answer = child.answer()?;
        let (found, used) = answer.split_once(';').ok_or("no usage")?;
        if way != "inflate" && found.parse::<usize>()? != messages {
            return Err(format!("{found} of {messages} messages").into());
        }
        tell(messages, what, used.parse()?)?;
    }
    drop(blob);
    let name = scene.directory.path().join("one").to_string_lossy().into_owned() + "-0";
    let mut accounts = scene.accounts("one")?;
    accounts.ask("pair 1")?;
    let mut accounts = scene.accounts("one")?;
    address(&accounts.ask("open 1")?)?;
    accounts.tell(&format!("past {messages}"))?;
    scene.server.ask(&format!("past {name} {messages}"))?;
    tell(messages, "fetched, stored, and taken by the application", accounts.answer()?.parse()?)
}

fn tell(messages: usize, what: &str, used: Usage) -> Fallible<()> {
    say(&format!(
        "past      {messages} messages, {what}: {:.2} µs CPU and {} each; peak {} KiB more than before",
        used.cpu_us_per(messages),
        used.allocations_per(messages),
        used.grown_kib,
    ))
}
