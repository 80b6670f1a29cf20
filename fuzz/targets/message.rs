//! A decrypted message: what it says is read, forwarded, quoted and edited without a panic, and what stood in it that
//! we do not know is still there.
#![no_main]

use std::hint::black_box;

use libfuzzer_sys::fuzz_target;
use wa_core::message::{Message, MessageKey, Quote};
use wa_types::Jid;

fuzz_target!(|bytes: &[u8]| {
    let Ok(message) = Message::from_encoded(bytes.to_vec()) else { return };
    assert_eq!(message.encoded(), bytes);
    let content = message.content();
    black_box((content.target(), format!("{content:?} {message:?}"), message.class()));
    black_box((message.wrappers(), message.association(), message.as_text().map(str::len)));
    if let Some(quoted) = message.context().quote.and_then(|quote| quote.message) {
        black_box(quoted.content());
    }
    let forwarded = Message::forward(&message);
    let answer =
        forwarded.reply_to(Quote::new("Q".into(), &Jid::pn("1"), message.clone())).mention_all().view_once();
    black_box(answer.content());
    let edit = Message::edit(MessageKey::own(&Jid::pn("1"), "E".into()), message);
    black_box(edit.content());
});
