//! Fuzzing of requests for tokens.

use form_urlencoded::parse;

use super::parameters::TokenRequest;
use crate::domain::secret::Secret;

pub(crate) const SEEDS: &[&str] = &[
    "service=registry.example.com&scope=repository:team/app:pull,push&account=u&client_id=docker",
    "service=r&scope=repository:a/b:pull%20repository:c/d:push&scope=registry:catalog:*",
    "grant_type=password&username=u&password=p%26%3D&service=r&access_type=offline",
    "grant_type=refresh_token&refresh_token=trsr_x&service=r&service=r&offline_token=true",
];
pub(crate) const WORDS: &[&str] = &[
    "&service=",
    "&scope=",
    "&account=",
    "&username=",
    "&password=",
    "&refresh_token=",
    "%20",
    "+",
    "&grant_type=",
    "&offline_token=true",
    "&access_type=offline",
    "%00",
    "%FF",
    "&",
    "=",
];

/// All that is read of a request.
fn fields(request: &TokenRequest) -> impl PartialEq + std::fmt::Debug + use<> {
    let secret = |secret: &Option<Secret>| secret.as_ref().map(|secret| secret.expose().to_owned());
    (
        (
            request.service().ok().map(str::to_owned),
            request.scopes.clone(),
            request.offline,
        ),
        (
            request.account.clone(),
            request.grant_type.clone(),
            request.username.clone(),
        ),
        (secret(&request.password), secret(&request.refresh_token)),
    )
}

/// Reads a query or a form.
pub(crate) fn check(input: &[u8]) -> Option<()> {
    let request = TokenRequest::read(input).ok()?;
    let pairs: Vec<_> = parse(input).collect();
    let scopes = pairs.iter().filter(|(name, _)| name == "scope").count();
    assert_eq!(request.scopes.len(), scopes, "a scope is lost");
    let length: usize = request.scopes.iter().map(String::len).sum();
    // A byte that isn't UTF-8 becomes a replacement character of three.
    assert!(length <= 3 * input.len(), "{length} bytes are read");
    let holds = ["username", "password", "refresh_token"]
        .iter()
        .any(|name| pairs.iter().any(|(given, _)| given == name));
    assert_eq!(
        request.holds_credential(),
        holds,
        "a credential is overlooked"
    );
    // Each name has one value, wherever it stands.
    let mut serializer = form_urlencoded::Serializer::new(String::new());
    let (scopes, others): (Vec<_>, Vec<_>) = pairs.iter().partition(|(name, _)| name == "scope");
    serializer.extend_pairs(others.into_iter().rev().chain(scopes));
    let again = TokenRequest::read(serializer.finish().as_bytes()).expect("it is read again");
    assert_eq!(
        fields(&again),
        fields(&request),
        "another order is another request"
    );
    Some(())
}
