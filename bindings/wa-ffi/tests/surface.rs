//! What the surface must keep to, so that all languages can read it: see "How the surface is written" in
//! `bindings/README.md`.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use wa_ffi::event::Event;
use wa_ffi::pairing::PairingUpdate;
use wa_ffi::testing::PasskeySignature;
use wa_ffi::types::{Secret, snake};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> String {
    fs::read_to_string(repository().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every line of the surface, with where it stands.
fn lines() -> Vec<(String, String)> {
    let (mut all, source) = (Vec::new(), repository().join("bindings/wa-ffi/src"));
    let mut folders = vec![source.clone()];
    while let Some(folder) = folders.pop() {
        for file in fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(&source).unwrap().to_string_lossy().into_owned();
            for (number, line) in (1..).zip(fs::read_to_string(&path).unwrap().lines()) {
                all.push((format!("{name}:{number}"), line.trim().to_owned()));
            }
        }
    }
    assert!(all.len() > 1000, "the surface was not found");
    all
}

#[test]
fn comments_are_comments_in_every_language() {
    // Ends a comment, begins one inside another, is an escape, ends a docstring, is a link that only rustdoc follows.
    let troubles = ["*/", "/*", "\\", "\"\"\"", "[`"];
    for (place, line) in lines() {
        let Some(comment) = line.strip_prefix("///") else { continue };
        for trouble in troubles {
            assert!(!comment.contains(trouble), "{place}: `{trouble}` in {comment}");
        }
    }
}

#[test]
fn names_are_names_in_every_language() {
    // Methods of every object in one language or another.
    let methods = ["close", "destroy", "wait", "notify", "to_string", "hash_code", "clone", "finalize"];
    // Words of a language.
    let fields = [
        "from", "in", "class", "import", "async", "is", "default", "object", "fun", "val", "cause",
        "register", "extern", "union", "auto", "long", "short", "int", "char", "signed", "volatile",
    ];
    for (place, line) in lines() {
        let declared = line.strip_prefix("pub async fn ").or_else(|| line.strip_prefix("pub fn "));
        if let Some(name) = declared.and_then(|rest| rest.split('(').next()) {
            assert!(!methods.contains(&name), "{place}: a method `{name}`");
        }
        let field = line.strip_prefix("pub ").unwrap_or(&line).split_once(": ").map(|(name, _)| name);
        if let Some(name) = field.filter(|name| fields.contains(name)) {
            panic!("{place}: a field `{name}`");
        }
    }
}

/// Inside an enum of Kotlin, its variant hides a type of this name.
#[test]
fn no_variant_hides_a_type_that_is_used_beside_it() {
    let hides = ["List", "Map", "String", "Boolean", "Duration", "Instant", "Long", "Int"];
    for (place, line) in lines() {
        let name = line.strip_suffix(" {").or_else(|| line.strip_suffix(',')).unwrap_or(&line);
        assert!(!hides.contains(&name), "{place}: a variant `{name}`");
    }
}

/// The variants of an enum, by its source.
fn variants(source: &str, name: &str) -> Vec<String> {
    let body = source.split(&format!("pub enum {name} {{\n")).nth(1).expect("no such enum");
    let body = body.split("\n}").next().unwrap();
    let declared = body.lines().filter_map(|line| line.strip_prefix("    "));
    let declared = declared.filter(|line| line.starts_with(|letter: char| letter.is_ascii_uppercase()));
    declared
        .map(|line| line.split(|letter: char| !letter.is_alphanumeric()).next().unwrap().to_owned())
        .collect()
}

/// Whether a source names this variant, and not only one that begins with it.
fn names(source: &str, variant: &str) -> bool {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
    source.match_indices(variant).any(|(at, _)| {
        let (before, after) = (&source[..at], &source[at + variant.len()..]);
        !before.ends_with(is_part) && !after.starts_with(is_part)
    })
}

#[test]
fn a_variant_is_not_named_by_a_longer_one() {
    assert!(names("P::Code(code) => 1", "P::Code"));
    assert!(!names("P::CodeExpired | OtherP::Code => 1", "P::Code"));
}

/// Each kind that the library below knows is named where it is converted: none arrives as unknown.
#[test]
fn no_kind_that_is_known_arrives_as_unknown() {
    let cases = [
        ("wa-core/src/event.rs", "Event", "event/conversion.rs", "E", &["Other"] as &[&str]),
        ("wa-core/src/event.rs", "SendState", "event/conversion.rs", "S", &[]),
        ("wa-core/src/event.rs", "ChatKind", "event/conversion.rs", "ChatKind", &[]),
        ("wa-core/src/event.rs", "Cancellation", "client.rs", "Cancellation", &[]),
        ("wa-core/src/event/pairing.rs", "PasskeyProgress", "event/conversion.rs", "P", &[]),
        ("wa-core/src/event/history.rs", "HistoryUpdate", "event/conversion.rs", "H", &[]),
        ("wa-core/src/event/app_state.rs", "AppStateEvent", "event/conversion.rs", "A", &[]),
        ("wa-core/src/event/newsletter.rs", "NewsletterEvent", "event/conversion.rs", "N", &[]),
        ("wa-core/src/e2e/decrypt.rs", "DecryptError", "event/conversion.rs", "D", &[]),
        ("wa-core/src/event/media.rs", "MediaEvent", "event/conversion.rs", "MediaEvent", &[]),
        ("wa-core/src/connection/close.rs", "CloseReason", "event/conversion.rs", "R", &[]),
        ("wa-core/src/connection/close.rs", "NextStep", "event/conversion.rs", "N", &[]),
        ("wa-core/src/stanza/receipt.rs", "ReceiptKind", "event/conversion.rs", "CoreReceipt", &[]),
        ("wa-core/src/stanza/presence.rs", "Typing", "event/conversion.rs", "Typing", &[]),
        ("wa-core/src/driver/status.rs", "Status", "client.rs", "wa_core::Status", &[]),
        ("wa-core/src/message/content/mod.rs", "Content", "content.rs", "C", &[]),
        ("wa-core/src/message/content/media.rs", "VideoStyle", "content.rs", "VideoStyle", &[]),
        ("wa-core/src/message/content/interactive.rs", "Button", "content.rs", "Button", &[]),
        ("wa-core/src/message/content/payment.rs", "Payment", "content.rs", "Payment", &[]),
        ("wa-store/src/records/group.rs", "GroupRole", "groups.rs", "GroupRole", &[]),
        ("wa-manager/src/account/status.rs", "AccountStatus", "account.rs", "CoreStatus", &[]),
        // An object store is none that these languages can give.
        ("wa-manager/src/account/settings.rs", "StorageMode", "settings.rs", "StorageMode", &["S3"]),
        ("wa-manager/src/account/settings.rs", "IdentityPolicy", "settings.rs", "IdentityPolicy", &[]),
        ("wa-manager/src/account/actor/gatekeeping.rs", "SendOutcome", "limits.rs", "SendOutcome", &[]),
        ("wa-manager/src/hub.rs", "StreamError", "manager.rs", "StreamError", &[]),
        ("wa-manager/src/pairing/update.rs", "PairingUpdate", "pairing.rs", "P", &[]),
        ("wa-manager/src/trust/admission.rs", "Admission", "limits.rs", "Admission", &[]),
        // What else the phone tells of the past has no form here.
        (
            "wa-core/src/history/batch.rs",
            "HistoryItem",
            "history.rs",
            "HistoryItem",
            &["PastMembers", "Call", "Username", "Ephemeral"],
        ),
        // Settings that no call sets.
        (
            "wa-core/src/stanza/group_setting.rs",
            "GroupSetting",
            "groups.rs",
            "CoreSetting",
            &[
                "Expiration",
                "Link",
                "ShareHistory",
                "History",
                "NoFrequentForwards",
                "AdminReports",
                "MembersCreateGroups",
            ],
        ),
        // Errors. What is not named has a code for all that is odd.
        ("wa-core/src/connection/mod.rs", "RequestError", "error.rs", "RequestError", &["Malformed"]),
        ("wa-core/src/error.rs", "CallError", "error.rs", "CallError", &[]),
        ("wa-core/src/error.rs", "GroupError", "error.rs", "GroupError", &[]),
        ("wa-core/src/error.rs", "ReconnectError", "error.rs", "ReconnectError", &[]),
        ("wa-core/src/error.rs", "PairCodeError", "error.rs", "PairCodeError", &[]),
        // By what is to be done.
        (
            "wa-core/src/error.rs",
            "SendError",
            "error.rs",
            "SendError",
            &["SchemaRefused", "StaleAddressing", "Damaged"],
        ),
        (
            "wa-core/src/error/media.rs",
            "MediaError",
            "error.rs",
            "MediaError",
            &["Refused", "Unavailable", "Network", "Malformed", "Hosts", "Reupload", "PhoneSilent", "Call"],
        ),
        (
            "wa-core/src/error/history.rs",
            "HistoryRequestError",
            "error.rs",
            "HistoryRequestError",
            &["Chunk"],
        ),
        ("wa-core/src/client/users.rs", "PictureError", "error.rs", "PictureError", &[]),
        ("wa-manager/src/pairing/error.rs", "PairError", "error.rs", "PairError", &[]),
        // Sinks are none that these languages can give.
        ("wa-manager/src/manager/error.rs", "ManagerError", "error.rs", "ManagerError", &["SameName"]),
        ("wa-manager/src/sending/error.rs", "SendError", "error.rs", "E", &[]),
        ("wa-manager/src/sending/control.rs", "ControlError", "error.rs", "ControlError", &[]),
        ("wa-manager/src/account/errands.rs", "ErrandError", "error.rs", "ErrandError", &[]),
        ("wa-manager/src/media/fetch.rs", "DownloadError", "error.rs", "DownloadError", &[]),
        ("wa-manager/src/account/actor/numbers.rs", "CheckError", "error.rs", "CheckError", &[]),
        ("wa-manager/src/account/actor/past.rs", "HistoryError", "error.rs", "HistoryError", &[]),
    ];
    for (source, name, converted, prefix, rest) in cases {
        let conversion = read(&format!("bindings/wa-ffi/src/{converted}"));
        let known = variants(&read(source), name);
        assert!(!known.is_empty(), "{source}: {name}");
        for variant in known.iter().filter(|variant| !rest.contains(&variant.as_str())) {
            assert!(names(&conversion, &format!("{prefix}::{variant}")), "{converted}: {name}::{variant}");
        }
    }
}

/// Hosts compare words that are made of the names of variants: these are all that there are. A variant that is renamed
/// below would change what hosts were told; then the conversion has to say the old word.
#[test]
fn words_stay_as_they_are() {
    let cases = [
        // `Event.Account`
        (
            "wa-core/src/event/people.rs",
            "AccountChange",
            "privacy blocklist picture about default_timer push_name username devices notices reachout_timelock \
             new_chat_quota",
        ),
        // `Event.Profile`
        (
            "wa-core/src/event/people.rs",
            "ProfileChange",
            "picture about status username default_timer business unknown",
        ),
        // `Event.Group`
        (
            "wa-core/src/stanza/notification/groups.rs",
            "GroupChange",
            "created added removed promoted demoted number_changed subject description setting flag growth_locked \
             link_reset invites_revoked join_requested join_requests_gone linked unlinked suggested suggestions_gone \
             suggester_changed reported deleted other",
        ),
        (
            "wa-core/src/stanza/group_setting.rs",
            "GroupSetting",
            "announcement locked expiration join_approval adding link share_history history no_frequent_forwards \
             admin_reports members_create_groups",
        ),
        (
            "wa-store/src/records/group_settings.rs",
            "GroupFlag",
            "join_approval history no_frequent_forwards admin_reports limited_sharing member_labels general_chat hidden \
             closed_community members_create_groups suspended support business_hosted incognito safety_check no_auto_add \
             missing_addresses",
        ),
        // `Event.Newsletter`
        ("wa-core/src/event/newsletter.rs", "NewsletterEvent", "posts joined left muted changed"),
        // `Event.Call`; the last one is the service's own word
        ("wa-core/src/stanza/call.rs", "CallSignal", "offer notice pre_accept accept reject terminate other"),
        // `Event.PairingCodeVoid`
        (
            "wa-core/src/event/pairing.rs",
            "CodeVoid",
            "expired not_confirmed too_many_answers refreshed refresh_by_user connection_lost refused not_renewed",
        ),
        // `Event.PasskeyFailed`
        (
            "wa-core/src/event/pairing.rs",
            "PasskeyFailure",
            "declined authenticator request phone timeout connection_lost",
        ),
        // `Event.PairingFailed`
        ("wa-core/src/pairing/adv.rs", "LinkError", "size malformed hmac no_account_key account_signature"),
        // `Event.StateBroken`
        (
            "wa-core/src/app_state/error.rs",
            "AppStateError",
            "missing_keys version_gap value_mac index_mac patch_mac snapshot_mac file_tampered file_gone \
             duplicate_index too_short exit_code malformed",
        ),
        // `Event.MessageLost`
        (
            "wa-core/src/event.rs",
            "LostReason",
            "not_answered unreadable not_for_this_device only_keys no_content missing_secret foreign_copy too_many",
        ),
        // `Event.HistoryFailed`, `HistoryPart`
        (
            "wa-core/src/history/notification.rs",
            "HistoryKind",
            "initial status full recent push_names others on_demand refused access unknown",
        ),
        ("wa-core/src/error/history.rs", "ChunkError", "unavailable unreadable store network shutdown"),
        // `Content.CallLog`
        (
            "wa-core/src/message/content/call.rs",
            "CallResult",
            "connected missed failed rejected accepted_elsewhere ongoing silenced",
        ),
        // `MemberOutcome`
        (
            "wa-core/src/error.rs",
            "MemberRefusal",
            "not_permitted privacy not_found left_recently already_member full other",
        ),
        // `Reason`
        (
            "wa-manager/src/account/status.rs",
            "ReasonKind",
            "opening_store connecting restoring network logged_out temporary_ban account_locked account_banned \
             client_outdated conflict pairing_expired pairing_rejected unstable_link connect_timeout retry_budget \
             store_locked store_corrupt store_failed fence_lost proxy_failed credentials_rejected quarantined internal",
        ),
        (
            "wa-manager/src/account/status.rs",
            "UserAction",
            "relink open_phone wait update_library contact_operator none",
        ),
    ];
    for (source, name, words) in cases {
        let made: Vec<_> = variants(&read(source), name).iter().map(|variant| snake(variant)).collect();
        assert_eq!(made.join(" "), words, "{name}");
    }
    // Nothing else is made so. What is unknown has a word for logs only.
    let made: Vec<_> = lines()
        .into_iter()
        .filter(|(_, line)| line.contains("types::word") || line.contains("types::snake"))
        .map(|(place, _)| place.split(':').next().unwrap().to_owned())
        .collect();
    let count = |file| made.iter().filter(|one| one.as_str() == file).count();
    let files = ["account.rs", "content.rs", "event/conversion.rs", "groups.rs", "history.rs"];
    assert_eq!(files.map(count), [2, 1, 15, 1, 1], "a word more or less: {made:?}");
    assert_eq!(made.len(), files.into_iter().map(count).sum::<usize>(), "{made:?}");
}

/// The codes of errors, by variant, as the README lists them.
fn codes_that_are_listed() -> BTreeMap<String, BTreeSet<String>> {
    let readme = read("bindings/README.md");
    let table = readme.split("| Error | Codes |").nth(1).expect("no table of codes");
    let mut listed = BTreeMap::new();
    for row in table.lines().skip(2).take_while(|line| line.starts_with('|')) {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let [_, variant, codes, _] = cells[..] else { panic!("a row of other cells: {row}") };
        let codes = codes.split('`').skip(1).step_by(2).map(str::to_owned);
        listed.insert(variant.trim_matches('`').to_owned(), codes.collect());
    }
    listed
}

/// Hosts compare the codes of errors. They are those that the README lists: one that is renamed, here or in the manager,
/// would change what hosts were told.
#[test]
fn codes_stay_as_they_are() {
    let listed = codes_that_are_listed();
    let error = read("bindings/wa-ffi/src/error.rs");
    let declared = error.split("makers! {\n").nth(1).unwrap().split('}').next().unwrap();
    let makers = declared.lines().filter_map(|line| line.trim().strip_suffix(',')?.split_once(" = "));
    let makers: Vec<_> = makers.collect();
    assert_eq!(
        listed.keys().map(String::as_str).collect::<BTreeSet<_>>(),
        makers.iter().map(|(_, variant)| *variant).collect()
    );

    // The test server's own are not for bots.
    let own = lines().into_iter().filter(|(place, _)| !place.starts_with("testing.rs"));
    let source: String = own.map(|(_, line)| line).collect();
    let mut made: BTreeSet<String> = BTreeSet::new();
    for (maker, variant) in makers {
        for begin in [format!("::{maker}(\""), format!("::{maker}(&format!(\"")] {
            for rest in source.split(&begin).skip(1) {
                let code = rest.split(['"', '{']).next().unwrap();
                // With the service's number.
                let code = if code.ends_with('_') { format!("{code}…") } else { code.to_owned() };
                assert!(listed[variant].contains(&code), "{variant} has no code {code}");
                made.insert(code);
            }
        }
    }
    // What the manager says is made from its names.
    let files = [
        "manager/error.rs",
        "pairing/error.rs",
        "sending/error.rs",
        "account/errands.rs",
        "account/actor/past.rs",
        "media/fetch.rs",
    ];
    // The errors that are in these have codes of their own; the last one is of what these languages cannot give.
    let inner = ["client", "key_store", "media", "media_gone", "pairing_store", "same_name"];
    let files = files.map(|file| format!("wa-manager/src/{file}"));
    for file in files.into_iter().chain(["bindings/wa-ffi/src/webhooks.rs".to_owned()]) {
        let source = read(&file);
        let begin = if file.ends_with("webhooks.rs") { "let code = match" } else { "fn code(&self)" };
        let names = source.split(begin).nth(1).unwrap().split("\n    }\n").next().unwrap();
        for name in names.lines().filter_map(|line| line.split_once("=> \"")?.1.strip_suffix("\",")) {
            let is_listed = listed.values().any(|codes| codes.contains(name));
            assert!(is_listed || inner.contains(&name), "{file}: {name}");
            made.insert(name.to_owned());
        }
    }
    for code in listed.values().flatten() {
        assert!(made.contains(code), "nothing makes {code} any more");
    }
}

#[test]
fn what_links_a_phone_is_not_printed() {
    let (secret, time) = (|| Secret("ABCD-EFGH".to_owned()), Duration::from_secs(9));
    let shown = [
        format!("{:?}", Event::PairingQr { text: secret(), expires_in: time }),
        format!("{:?}", Event::PairingCode { code: secret(), expires_in: time }),
        format!("{:?}", Event::PasskeyChallenge { options: secret() }),
        format!("{:?}", Event::PasskeyCode { code: secret(), is_asked: true }),
        format!("{:?}", Event::Reuploaded { chat: String::new(), id: String::new(), place: secret() }),
        format!("{:?}", PairingUpdate::Qr { text: secret(), expires_at: SystemTime::UNIX_EPOCH }),
        format!("{:?}", PairingUpdate::Code { code: secret(), expires_at: SystemTime::UNIX_EPOCH }),
        format!("{:?}", PairingUpdate::PasskeyChallenge { options: secret() }),
        format!("{:?}", PairingUpdate::PasskeyConfirm { code: secret(), is_asked: true }),
        format!("{:?}", PasskeySignature { credential_id: vec![7], assertion: "ABCD-EFGH".to_owned() }),
    ];
    for printed in shown {
        assert!(!printed.contains("ABCD") && !printed.contains('7'), "{printed}");
    }
    // What is said to be secret is so by its type, wherever it is.
    let (mut said, mut typed) = (0, 0);
    for (_, line) in lines() {
        said += usize::from(line.ends_with("A secret: do not log it."));
        typed += usize::from(line.ends_with(": Secret,"));
    }
    assert!(said >= 11 && said == typed, "{said} fields are said to be secret, {typed} are");
}
