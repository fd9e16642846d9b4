//! Fuzzing of requests for an exchange.

use form_urlencoded::parse;

use super::parameters::ExchangeRequest;

pub(crate) const SEEDS: &[&str] = &[
    "grant_type=urn:ietf:params:oauth:grant-type:token-exchange&audience=r.example.com\
     &subject_token=eyJ.a.b&subject_token_type=urn:ietf:params:oauth:token-type:jwt\
     &role=acs:ram::1:role/ci&scope=repository:a/b:pull&expires_in=900",
    "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&username=u\
     &resource=https://r.example.com/&subject_token=trst_x&requested_token_type=\
     urn:ietf:params:oauth:token-type:access_token&subject_token_type=\
     urn:transire:params:oauth:token-type:registry-credential&client_id=x",
];
pub(crate) const WORDS: &[&str] = &[
    "&audience=",
    "&resource=",
    "&username=",
    "&role=",
    "&scope=",
    "&expires_in=",
    "&actor_token=x",
    "&client_secret=x",
    "&subject_token=",
    "urn:ietf:params:oauth:token-type:id_token",
    "%20",
    "&",
    "&requested_token_type=",
    "://",
    "/",
];

/// Reads a form.
pub(crate) fn check(input: &[u8]) -> Option<()> {
    let request = ExchangeRequest::read(input).ok()?;
    let given = |name: &str| {
        let mut found = parse(input).filter(|(own, value)| own == name && !value.is_empty());
        let first = found.next().map(|(_, value)| value.into_owned());
        assert!(found.next().is_none(), "{name} is given twice");
        first
    };
    assert_eq!(
        given("subject_token").as_deref(),
        Some(request.subject_token.expose())
    );
    assert_eq!(given("scope").unwrap_or_default(), request.scope);
    let username = given("username").or(given("role")).unwrap_or_default();
    assert_eq!(username, request.username, "another user is read");
    if let Some(audience) = given("audience") {
        assert_eq!(audience, request.audience, "another audience is read");
    }
    let is_forbidden = ["actor_token", "client_secret", "client_assertion"].map(given);
    assert!(is_forbidden.iter().all(Option::is_none), "{is_forbidden:?}");
    let seconds = given("expires_in").map(|text| text.trim_start_matches('+').to_owned());
    assert_eq!(
        seconds.and_then(|text| text.parse::<u64>().ok()),
        request.expires_in.map(|time| time.as_secs())
    );
    Some(())
}
