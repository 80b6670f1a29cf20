use super::*;

// Computed with Python: `hmac.new(key, message, hashlib.sha256)` and so on.
const BODY: &str = "{\"id\":\"x\",\"data\":{\"text\":\"\u{e9}\"}}";
const ID_VALUE: &str = "5f0f2a3e-0000-4000-8000-000000000001";
const FIRST: &str = "v1,QCFYp5HIWIx2qZfRyyA8Te5HqQqRH10o2AAg6PKeOLo=";
const SECOND: &str = "v1,1ToA3jejk9pOAqv7lxSS/RclV6KzGj62Wx4Weg8UYsA=";
const HUB: &str = "sha256=db8a7b4c87f61dea24b74a5b4978e0461ccfcc77e67ae1d70b40315fb701dac5";
const WAHA: &str = "8f34b90f63a2e7ae338ceaa0d8ead162a3ef40389cc79dcd253fae7a6ba710988b8e7bdb7adb3c94809b9c5b7b2cce4aaa5039499434ace7de324b6130641b6e";
const AT: UnixMillis = UnixMillis(1_700_000_000_999);
const TOLERANCE: Duration = Duration::from_secs(300);

fn secrets() -> [WebhookSecret; 2] {
    let numbers: Vec<u8> = (0..32).collect();
    [WebhookSecret::parse("a secret of some length").unwrap(), WebhookSecret::new(numbers).unwrap()]
}

fn signed(mode: SigningMode, secrets: &[WebhookSecret]) -> Vec<(&'static str, String)> {
    headers(mode, secrets, ID_VALUE, AT, 3, BODY.as_bytes())
}

fn check(
    headers: &[(&str, String)],
    body: &str,
    secrets: &[WebhookSecret],
    now: u64,
) -> Result<(), VerifyError> {
    let headers = headers.iter().map(|(name, value)| (*name, value.as_str()));
    verify(headers, body.as_bytes(), secrets, UnixMillis(now), TOLERANCE)
}

// R063
#[test]
fn deliveries_are_signed_as_others_compute_it() {
    let plain = |signatures: &str| {
        vec![
            ("webhook-id", ID_VALUE.to_owned()),
            ("webhook-timestamp", "1700000000".to_owned()),
            ("webhook-signature", signatures.to_owned()),
            ("webhook-attempt", "3".to_owned()),
        ]
    };
    assert_eq!(signed(SigningMode::Standard, &secrets()[..1]), plain(FIRST));
    let both = plain(&format!("{FIRST} {SECOND}"));
    assert_eq!(signed(SigningMode::Standard, &secrets()), both);
    let hub = signed(SigningMode::Hub, &secrets());
    assert_eq!(hub[..4], both);
    assert_eq!(hub[4..], [("x-hub-signature-256", HUB.to_owned())]);
    let waha = signed(SigningMode::Waha, &secrets());
    assert_eq!(
        waha[4..],
        [("x-webhook-hmac", WAHA.to_owned()), ("x-webhook-hmac-algorithm", "sha512".to_owned())]
    );
}

// R063
#[test]
fn whoever_knows_one_of_the_secrets_can_check_a_delivery() {
    let now = 1_700_000_000_000;
    let both = signed(SigningMode::Standard, &secrets());
    for known in [&secrets()[..], &secrets()[..1], &secrets()[1..]] {
        assert_eq!(check(&both, BODY, known, now), Ok(()));
    }
    let other = [WebhookSecret::new([7; 32]).unwrap()];
    assert_eq!(check(&both, BODY, &other, now), Err(VerifyError::Signature));
    assert_eq!(check(&both, BODY, &[], now), Err(VerifyError::Signature));
    let changed = BODY.replace('x', "y");
    assert_eq!(check(&both, &changed, &secrets(), now), Err(VerifyError::Signature));
    for (index, name) in [ID, TIMESTAMP, SIGNATURE].into_iter().enumerate() {
        let mut headers = both.clone();
        headers.remove(index);
        assert_eq!(check(&headers, BODY, &secrets(), now), Err(VerifyError::Header { name }));
    }
    let mut later = both.clone();
    later[1].1 = "1700000001".to_owned();
    assert_eq!(check(&later, BODY, &secrets(), now), Err(VerifyError::Signature));
    later[1].1 = "soon".to_owned();
    assert_eq!(check(&later, BODY, &secrets(), now), Err(VerifyError::Header { name: TIMESTAMP }));
    let mut unknown = both.clone();
    unknown[2].1 = "v2,abc v1,*** v1, x".to_owned();
    assert_eq!(check(&unknown, BODY, &secrets(), now), Err(VerifyError::Signature));
    // Names in any case, and other headers beside them.
    let shouted: Vec<_> = both.iter().map(|(name, value)| (name.to_uppercase(), value.clone())).collect();
    let shouted: Vec<_> = shouted.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    assert_eq!(check(&shouted, BODY, &secrets(), now), Ok(()));
}

#[test]
fn an_old_delivery_is_refused() {
    let both = signed(SigningMode::Standard, &secrets());
    for (now, expected) in [
        (1_700_000_300_000, Ok(())),
        (1_700_000_300_001, Err(VerifyError::Time)),
        (1_699_999_700_000, Ok(())),
        (1_699_999_699_999, Err(VerifyError::Time)),
    ] {
        assert_eq!(check(&both, BODY, &secrets(), now), expected);
    }
}
