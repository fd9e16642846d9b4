//! Ids, principals and other small words.

use std::fmt::Display;
use std::str::FromStr;

use crate::domain::access_key::AccessKeyId;
use crate::domain::activity::Span;
use crate::domain::allow_list::Cidr;
use crate::domain::any_principal::AnyPrincipal;
use crate::domain::clock::Timestamp;
use crate::domain::credential::CredentialId;
use crate::domain::ids::{AccountId, CriId, InstanceId, RoleId, UserId};
use crate::domain::image::{is_digest, is_tag};
use crate::domain::instance::AnyInstanceId;
use crate::domain::name::{
    check_imported_repository, check_namespace, check_region, check_registry_name,
    check_repository, check_service, check_service_account, is_name_in_arn, is_repository_path,
};
use crate::domain::principal::Principal;
use crate::domain::printable::{escape, is_unprintable};
use crate::domain::reference::{AccountRef, InstanceRef};
use crate::domain::role_name::RoleName;
use crate::domain::seconds::Seconds;
use crate::domain::service_account::NamespacePermission;
use crate::policy::Permission;

pub(super) const SEEDS: &[&str] = &[
    "100000000001",
    "tcr-abcd1234",
    "cri-abcdefgh12345678",
    "0123456789abcdefghij",
    "AKIDz8krbsJ5yKBZQpn74WFkmLPx3EXAMPLE",
    "100000000001:user#100000000002",
    "100000000001:role#7/session name",
    "100000000001:federated#100000000001/ci",
    "qcs::cam::uin/100000000001:roleName/builder",
    "acs:ram::100000000001:role/builder/session",
    "100000000001:service-account/tcr-abcd1234/robot",
    "100000000001:oidc-provider/ci/repo:team/app",
    "operator/local/root",
    "10.0.0.0/8",
    "2001:db8::/32",
    "90m",
    "1h 30m",
    "2026-01-02T03:04:05.678Z",
    "team/app/sub-app_1.x",
    "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
    "pull-images",
];
pub(super) const WORDS: &[&str] = &[
    ":root",
    ":user/",
    ":user#",
    ":role/",
    ":role#",
    ":federated#",
    "operator/",
    "qcs::",
    "acs:ram::",
    "uin/",
    "/",
    "//",
    "#",
    "..",
    "%2e",
    "\u{202e}",
    "\0",
    "\n",
    "0",
    "+",
    "-",
    "9223372036854775807",
];

/// Reads a text as each of them: a printed one is read as the same, and names can't leave their
/// place in a path, a scope or a line.
pub(super) fn check(input: &[u8]) -> Option<()> {
    let text = std::str::from_utf8(input).ok()?;
    for prints_alike in [
        again::<InstanceId>(text),
        again::<CriId>(text),
        again::<AnyInstanceId>(text),
        again::<CredentialId>(text),
        again::<AccessKeyId>(text),
        again::<NamespacePermission>(text),
    ] {
        assert_ne!(prints_alike, Some(false), "{text:?} has two spellings");
    }
    // A permission has a word, and names in each language.
    again::<Permission>(text);
    again::<AccountId>(text);
    again::<UserId>(text);
    again::<RoleId>(text);
    again::<Principal>(text);
    again::<AnyPrincipal>(text);
    again::<AccountRef>(text);
    again::<InstanceRef>(text);
    again::<Cidr>(text);
    again::<Span>(text);
    again::<Seconds>(text);
    drop(RoleName::parse(text));
    if let Some(time) = Timestamp::parse_rfc3339(text) {
        let printed = time.rfc3339();
        let read = Timestamp::parse_rfc3339(&printed).map(Timestamp::unix_seconds);
        assert_eq!(read, Some(time.unix_seconds()), "{printed}");
    }
    check_names(text);
    let shown = escape(text);
    assert!(!shown.contains(is_unprintable), "{shown:?} is shown");
    assert!(shown.len() <= 6 * text.len(), "{shown:?} is long");
    Some(())
}

/// Checks that what is taken for a name stays in its place.
fn check_names(text: &str) {
    let names = [
        check_namespace("name", text).is_ok(),
        check_repository("name", text).is_ok(),
        check_imported_repository("name", text).is_ok(),
        check_registry_name("name", text).is_ok(),
        check_service_account("name", text).is_ok(),
        check_region("name", text).is_ok(),
        is_repository_path(text),
        is_tag(text),
    ];
    if names.contains(&true) {
        let segments = text
            .split('/')
            .all(|segment| !matches!(segment, "" | "." | ".."));
        let is_plain = !text.contains(['\n', '\0', ' ', '"', '\\', '?', '#', '%', '*', '$']);
        assert!(
            segments && is_plain,
            "{text:?} is taken for a name: {names:?}"
        );
        assert!(text.len() <= 512, "a name of {} bytes", text.len());
    }
    if is_name_in_arn(text) || is_digest(text) {
        let is_plain = !text.contains(['/', '\n', ' ', '"', '?', '#', '%', '*', '$']);
        assert!(is_plain, "{text:?} is taken for a part of a path or an ARN");
    }
    if check_service(text).is_ok() {
        // It stands between quotes in a challenge.
        let is_plain = !text.contains(|letter| is_unprintable(letter) || "\"\\".contains(letter));
        assert!(is_plain, "{text:?} is taken for a service");
    }
}

/// Reads, prints and reads again; tells whether the print is the text, where that could be read.
fn again<T: FromStr + Display>(text: &str) -> Option<bool> {
    let printed = text.parse::<T>().ok()?.to_string();
    let Ok(read) = printed.parse::<T>() else {
        panic!("{text:?} is printed as {printed:?}, which can't be read");
    };
    assert_eq!(read.to_string(), printed, "{text:?} changes each time");
    Some(printed == text)
}
