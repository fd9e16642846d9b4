//! Names that people choose, and the rules for them.

use super::printable::is_unprintable;
use super::{Error, Result};

/// The most characters of an account's or an instance's name.
const MAX_NAME: usize = 50;
/// The most characters of a service's name.
const MAX_SERVICE: usize = 255;
/// The most characters of a credential's description.
pub const MAX_DESCRIPTION: usize = 255;

/// Checks the name of an account or an instance: 1 to 50 of `a-z`, `0-9`, `-`, not `-` first or
/// last.
///
/// # Errors
///
/// `InvalidParameter` of `parameter`, with a message that says what is taken.
pub fn check_name(parameter: &'static str, name: &str) -> Result<()> {
    let letters = name
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if letters
        && (1..=MAX_NAME).contains(&name.len())
        && !name.starts_with('-')
        && !name.ends_with('-')
    {
        Ok(())
    } else {
        Err(Error::invalid_parameter(
            parameter,
            format!(
                "a name has 1 to {MAX_NAME} lower-case letters, digits or '-', and '-' neither \
                 first nor last"
            ),
        ))
    }
}

/// The fewest and the most characters of the name of an instance that is made by an API, as at
/// Tencent.
const REGISTRY_NAME_LENGTHS: std::ops::RangeInclusive<usize> = 5..=MAX_NAME;
/// Tencent takes 2 to 30 characters, Alibaba 2 to 120.
const NAMESPACE_LENGTHS: std::ops::RangeInclusive<usize> = 2..=30;
/// Tencent takes 3 to 244 characters, Alibaba 2 to 64.
const REPOSITORY_LENGTHS: std::ops::RangeInclusive<usize> = 3..=64;
/// A registry's path of 255 characters has room for any namespace beside it.
const MAX_IMPORTED_REPOSITORY: usize = 224;
/// The most characters of a repository's detailed description, as at Alibaba.
pub const MAX_DETAIL: usize = 2000;
/// The most characters of a tag's key: Tencent takes 127, Alibaba 128.
const MAX_TAG_KEY: usize = 127;
/// The most characters of a tag's value: Tencent takes 255, Alibaba 128.
const MAX_TAG_VALUE: usize = 128;
/// The beginnings that a tag's key may not have, in any case: the clouds use these themselves.
const RESERVED_TAG_PREFIXES: [&str; 3] = ["aliyun", "acs:", "qcs:"];

/// Checks the name of an instance that is made by an API: 5 to 50 of `a-z`, `0-9`, `-`, not `-`
/// first or last.
///
/// # Errors
///
/// `InvalidParameter` of `parameter`, with a message that says what is taken.
pub fn check_registry_name(parameter: &'static str, name: &str) -> Result<()> {
    if REGISTRY_NAME_LENGTHS.contains(&name.len()) && check_name(parameter, name).is_ok() {
        Ok(())
    } else {
        Err(Error::invalid_parameter(
            parameter,
            "an instance's name has 5 to 50 lower-case letters, digits or '-', and '-' neither \
             first nor last",
        ))
    }
}

/// Tells whether a name is of `a-z` and `0-9` and between them separators that `is_separator`
/// takes.
fn is_separated(name: &str, is_separator: impl Fn(&str) -> bool) -> bool {
    let is_word = |character: char| character.is_ascii_lowercase() || character.is_ascii_digit();
    let separators = name.split(is_word).filter(|between| !between.is_empty());
    name.starts_with(is_word) && name.ends_with(is_word) && separators.into_iter().all(is_separator)
}

fn is_single_separator(between: &str) -> bool {
    matches!(between, "." | "_" | "-")
}

/// Tells what a registry takes between the words of a path's component, by the distribution
/// specification.
fn is_path_separator(between: &str) -> bool {
    matches!(between, "." | "_" | "__") || between.bytes().all(|byte| byte == b'-')
}

/// Tells whether a text can be the name of a user, a role or a provider in the ARN of either cloud:
/// letters, digits and `-_.@`, so no wildcard and no slash.
pub fn is_name_in_arn(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.@".contains(&byte);
    !text.is_empty() && text.bytes().all(is_letter)
}

/// Checks a namespace's name, so that both clouds can show it: 2 to 30 of `a-z`, `0-9` and single
/// `.`, `_`, `-` between them.
///
/// # Errors
///
/// `InvalidParameter` of `parameter`, with a message that says what is taken.
pub fn check_namespace(parameter: &'static str, name: &str) -> Result<()> {
    if NAMESPACE_LENGTHS.contains(&name.len()) && is_separated(name, is_single_separator) {
        Ok(())
    } else {
        Err(Error::invalid_parameter(
            parameter,
            "a namespace's name has 2 to 30 lower-case letters or digits, with a single '.', '_' \
             or '-' between some of them",
        ))
    }
}

/// Checks a repository's name without its namespace, so that both clouds can show it and a registry
/// takes it: 3 to 64 of `a-z`, `0-9` and `.`, `_`, `__` or any number of `-` between them.
///
/// # Errors
///
/// `InvalidParameter` of `parameter`, with a message that says what is taken.
pub fn check_repository(parameter: &'static str, name: &str) -> Result<()> {
    if REPOSITORY_LENGTHS.contains(&name.len()) && is_separated(name, is_path_separator) {
        Ok(())
    } else {
        Err(Error::invalid_parameter(
            parameter,
            "a repository's name has 3 to 64 lower-case letters or digits, with '.', '_', '__' or \
             '-' between some of them, and no '/'",
        ))
    }
}

/// The longest path of a repository, namespace and all, that registries take: CNCF Distribution's
/// `NameTotalLengthMax`.
pub const MAX_REPOSITORY_PATH_LENGTH: usize = 255;

/// Tells whether a registry can have a repository of this path, by the distribution specification:
/// components of `a-z`, `0-9` and separators between them, divided by `/`, at most 255 characters
/// together.
pub fn is_repository_path(path: &str) -> bool {
    path.len() <= MAX_REPOSITORY_PATH_LENGTH
        && path
            .split('/')
            .all(|component| is_separated(component, is_path_separator))
}

/// Checks the name of a repository that a registry has already: it may be shorter or longer, and
/// have `/` between components.
///
/// # Errors
///
/// `InvalidParameter` of `parameter`, with a message that says what is taken.
pub fn check_imported_repository(parameter: &'static str, name: &str) -> Result<()> {
    if name.len() <= MAX_IMPORTED_REPOSITORY
        && name
            .split('/')
            .all(|component| is_separated(component, is_path_separator))
    {
        Ok(())
    } else {
        Err(Error::invalid_parameter(
            parameter,
            "a repository's name is a path of lower-case letters, digits and separators",
        ))
    }
}

/// Checks a service account's name, without the `tcr$` that it logs in with: 1 to 50 of `a-z`,
/// `0-9` and single `.`, `_`, `-` between them.
///
/// # Errors
///
/// `InvalidParameter` of `parameter`, with a message that says what is taken.
pub fn check_service_account(parameter: &'static str, name: &str) -> Result<()> {
    if name.len() <= MAX_NAME && is_separated(name, is_single_separator) {
        Ok(())
    } else {
        Err(Error::invalid_parameter(
            parameter,
            format!(
                "a service account's name has 1 to {MAX_NAME} lower-case letters or digits, with a \
                 single '.', '_' or '-' between some of them"
            ),
        ))
    }
}

/// Checks a repository's detailed description: at most 2000 characters, none of them unprintable
/// but line ends and tabs.
///
/// # Errors
///
/// `InvalidParameter` of `parameter`, with a message that says what is taken.
pub fn check_detail(parameter: &'static str, detail: &str) -> Result<()> {
    let is_strange = |character: char| is_unprintable(character) && !"\r\n\t".contains(character);
    if detail.chars().count() <= MAX_DETAIL && !detail.chars().any(is_strange) {
        Ok(())
    } else {
        Err(Error::invalid_parameter(
            parameter,
            format!(
                "a detailed description has at most {MAX_DETAIL} characters, and no control or \
                 bidirectional characters but line ends and tabs"
            ),
        ))
    }
}

/// Checks a tag, so that both clouds can show it.
///
/// # Errors
///
/// `InvalidParameter` of `parameter`, with a message that says what is taken.
pub fn check_tag(parameter: &'static str, key: &str, value: &str) -> Result<()> {
    let fits = |text: &str, most| text.chars().count() <= most && !text.contains(is_unprintable);
    let lower = key.to_lowercase();
    let is_reserved = RESERVED_TAG_PREFIXES
        .iter()
        .any(|prefix| lower.starts_with(prefix));
    let is_link = [&lower, &value.to_lowercase()]
        .into_iter()
        .any(|text| text.contains("http://") || text.contains("https://"));
    if !key.is_empty()
        && key.trim() == key
        && fits(key, MAX_TAG_KEY)
        && fits(value, MAX_TAG_VALUE)
        && !is_reserved
        && !is_link
    {
        Ok(())
    } else {
        Err(Error::invalid_parameter(
            parameter,
            format!(
                "a tag has a key of 1 to {MAX_TAG_KEY} characters that doesn't begin with aliyun, \
                 acs: or qcs:, nor begin or end with space, and a value of at most \
                 {MAX_TAG_VALUE}; neither holds http://, https://, control or bidirectional \
                 characters"
            ),
        ))
    }
}

/// Checks the id of a vulnerability, such as `CVE-2021-44228`.
///
/// # Errors
///
/// `InvalidParameter` of `parameter`, with a message that says what is taken.
pub fn check_cve(parameter: &'static str, id: &str) -> Result<()> {
    let numbers = id
        .strip_prefix("CVE-")
        .and_then(|rest| rest.split_once('-'));
    let digits = |text: &str, lengths: std::ops::RangeInclusive<usize>| {
        lengths.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    match numbers {
        Some((year, number)) if digits(year, 4..=4) && digits(number, 4..=19) => Ok(()),
        _ => Err(Error::invalid_parameter(
            parameter,
            "a vulnerability's id is written like CVE-2021-44228",
        )),
    }
}

/// Checks a service, which registries compare as the token's audience: any text that shows and that
/// the quotes of a challenge can hold, such as a host with its port, or `Docker registry`.
///
/// # Errors
///
/// `InvalidParameter` of `service`, with a message that says what is taken.
pub fn check_service(service: &str) -> Result<()> {
    // Clients read a challenge in many ways: few of them know `\` in quotes, or other letters than
    // ASCII's.
    let shows =
        |byte: u8| (byte.is_ascii_graphic() || byte == b' ') && byte != b'"' && byte != b'\\';
    let why = if !(1..=MAX_SERVICE).contains(&service.len()) {
        format!("a service has 1 to {MAX_SERVICE} characters")
    } else if service.trim() != service {
        "a service neither begins nor ends with a space".to_owned()
    } else if !service.bytes().all(shows) {
        "a service has no characters but ASCII's, no control characters, no '\"' and no '\\': \
         clients read it between quotes"
            .to_owned()
    } else if service.contains("://") {
        "a service is no URL: it is what the registry names in its challenge, such as its host, \
         registry.example.com"
            .to_owned()
    } else {
        return Ok(());
    };
    Err(Error::invalid_parameter("service", why))
}

/// Returns what is doubtful about a service that can be taken.
pub fn doubt_of_service(service: &str) -> Option<String> {
    service.contains('/').then(|| {
        format!(
            "the service {service} has a '/' in it: registries compare it whole, so it must be the \
             same in the registry's configuration"
        )
    })
}

/// The longest issuer, in bytes: it is in every token.
const MAX_ISSUER_LENGTH: usize = 255;

/// Checks an issuer, which registries compare as a text: any of ASCII that shows, such as a URL.
///
/// A space or a letter that only looks like another would be compared, too, and nobody would see
/// the difference.
///
/// # Errors
///
/// `InvalidParameter` of `parameter`, with a message that says what is taken.
pub fn check_issuer(parameter: &'static str, issuer: &str) -> Result<()> {
    if (1..=MAX_ISSUER_LENGTH).contains(&issuer.len())
        && issuer.bytes().all(|byte| byte.is_ascii_graphic())
    {
        Ok(())
    } else {
        Err(Error::invalid_parameter(
            parameter,
            format!(
                "an issuer is written like https://credentials.example.com, in at most \
                 {MAX_ISSUER_LENGTH} characters of ASCII without spaces"
            ),
        ))
    }
}

/// Checks the domain under which instances get their services: names divided by dots, perhaps with
/// a port.
///
/// # Errors
///
/// `InvalidParameter` of `base_domain`.
pub fn check_base_domain(domain: &str) -> Result<()> {
    let (host, port) = domain
        .split_once(':')
        .map_or((domain, None), |(host, port)| (host, Some(port)));
    // The longest name of an instance and a dot come before it.
    let fits = domain.len() < MAX_SERVICE - MAX_NAME;
    if fits
        && host
            .split('.')
            .all(|label| check_name("base_domain", label).is_ok())
        && port.is_none_or(|port| port.parse::<u16>().is_ok())
    {
        Ok(())
    } else {
        Err(Error::invalid_parameter(
            "base_domain",
            "a base domain is written like registry.example.com, perhaps with a port",
        ))
    }
}

/// The most characters of a host name, by RFC 1123.
const MAX_HOST: usize = 253;

/// Checks the host that an instance answers to as an ECR registry: names divided by dots, perhaps
/// with a port, as it stands in the names of images.
///
/// # Errors
///
/// `InvalidParameter` of `parameter`.
pub fn check_ecr_host(parameter: &'static str, text: &str) -> Result<()> {
    let (host, port) = text
        .split_once(':')
        .map_or((text, None), |(host, port)| (host, Some(port)));
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let is_port = |port: &str| {
        !port.starts_with('0')
            && port.bytes().all(|byte| byte.is_ascii_digit())
            && port.parse::<u16>().is_ok()
    };
    if host.len() <= MAX_HOST && host.split('.').all(is_label) && port.is_none_or(is_port) {
        return Ok(());
    }
    Err(Error::invalid_parameter(
        parameter,
        "a host is written in lower case without a scheme, perhaps with a port, such as \
         100000000001.dkr.ecr.us-east-1.amazonaws.com",
    ))
}

/// Checks a region, such as `ap-guangzhou` or `cn-hangzhou`.
///
/// # Errors
///
/// `InvalidParameter` of `parameter`, with a message that says what is taken.
pub fn check_region(parameter: &'static str, region: &str) -> Result<()> {
    let words: Vec<&str> = region.split('-').collect();
    let well_formed = words.iter().all(|word| {
        !word.is_empty()
            && word
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    });
    if well_formed && words.len() >= 2 && region.len() <= MAX_NAME {
        Ok(())
    } else {
        Err(Error::invalid_parameter(
            parameter,
            "a region is written like ap-guangzhou",
        ))
    }
}

/// Checks a description: at most 255 characters, all of them printable.
///
/// # Errors
///
/// `InvalidParameter` of `parameter`, with a message that says what is taken.
pub fn check_description(parameter: &'static str, description: &str) -> Result<()> {
    if description.chars().count() <= MAX_DESCRIPTION && !description.contains(is_unprintable) {
        Ok(())
    } else {
        Err(Error::invalid_parameter(
            parameter,
            format!(
                "a description has at most {MAX_DESCRIPTION} characters, and no control or \
                 bidirectional characters"
            ),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_to_their_rules() {
        for good in ["demo", "a", "0-9", &"a".repeat(50)] {
            assert!(check_name("name", good).is_ok(), "{good:?} was refused");
        }
        for bad in ["", "-a", "a-", "A", "a b", "ä", &"a".repeat(51)] {
            assert!(check_name("name", bad).is_err(), "{bad:?} was taken");
        }
    }

    /// Checks that `check` takes all of `good` and none of `bad`.
    fn assert_rule(check: fn(&'static str, &str) -> Result<()>, good: &[&str], bad: &[&str]) {
        for good in good {
            assert!(check("Name", good).is_ok(), "{good:?} was refused");
        }
        for bad in bad {
            assert!(check("Name", bad).is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn an_instance_of_an_api_has_a_longer_name() {
        assert_rule(
            check_registry_name,
            &["demo1", &"a".repeat(50)],
            &["", "demo", "-demo1", "Demo1", &"a".repeat(51)],
        );
    }

    #[test]
    fn a_namespace_is_one_that_both_clouds_can_show() {
        let good = ["ab", "team", "team-a.b_c", "0-9", &"a".repeat(30)];
        let bad = [
            "",
            "a",
            "-ab",
            "ab-",
            "a--b",
            "a._b",
            "Team",
            "té",
            "a/b",
            "a b",
            "a\nb",
            &"a".repeat(31),
        ];
        assert_rule(check_namespace, &good, &bad);
    }

    #[test]
    fn a_repository_is_one_that_both_clouds_can_show_and_a_registry_takes() {
        let good = ["app", "app__x", "app---x", "a.b", &"a".repeat(64)];
        let bad = [
            "",
            "ab",
            "app___x",
            "a..b",
            "a-.b",
            "_app",
            "app-",
            "App",
            "a/b",
            "app:1",
            &"a".repeat(65),
        ];
        assert_rule(check_repository, &good, &bad);
    }

    #[test]
    fn what_a_registry_has_already_may_have_a_path() {
        assert_rule(
            check_imported_repository,
            &["a", "a/b/c__d", &"a".repeat(224)],
            &["", "/", "a//b", "a/", "a:b", "A", &"a".repeat(225)],
        );
    }

    #[test]
    fn a_path_that_no_registry_can_have_is_told_from_one_that_it_can() {
        for path in [
            "a",
            "team/app",
            "0/1",
            "a.b_c__d---e/f",
            "a/b/c/d/e",
            &"a".repeat(255),
        ] {
            assert!(is_repository_path(path), "{path}");
        }
        let long = "a".repeat(256);
        for path in [
            "",
            "/",
            "/app",
            "team/",
            "team//app",
            "team/../secret/app",
            "./secret/app",
            "team/./app",
            "secret%2Fapp",
            "Secret/app",
            "secret/APP",
            "-a",
            "a-",
            "a..b",
            "a___b",
            "a._b",
            "team/app:latest",
            "registry.example.com:5000/team/app",
            "team\\app",
            "te am/app",
            "team/app@sha256",
            "team/ap\u{307}p",
            &long,
        ] {
            assert!(!is_repository_path(path), "{path:?}");
        }
    }

    #[test]
    fn service_accounts_and_vulnerabilities_keep_to_their_rules() {
        assert_rule(
            check_service_account,
            &["a", "robot", "account_test", "a-b.c"],
            &["", "tcr$robot", "a--b", "-a", "Robot", "a:b"],
        );
        assert_rule(
            check_cve,
            &["CVE-2021-44228", "CVE-1999-0001"],
            &[
                "",
                "CVE-",
                "cve-2021-44228",
                "CVE-21-44228",
                "CVE-2021-1",
                "CVE-2021-44,28",
            ],
        );
    }

    #[test]
    fn a_detailed_description_may_have_lines() {
        assert_rule(
            check_detail,
            &["", "# App\n\tis good\r\n", &"中".repeat(2000)],
            &[
                "a\u{0}",
                "a\u{7f}",
                "a\u{202e}b",
                "a\u{2028}b",
                &"a".repeat(2001),
            ],
        );
    }

    #[test]
    fn a_tag_is_one_that_both_clouds_can_show() {
        for (key, value) in [
            ("team", "blue"),
            ("部门", ""),
            (&*"k".repeat(127), &*"v".repeat(128)),
            ("my acs:", "aliyun"),
        ] {
            assert!(
                check_tag("Tags", key, value).is_ok(),
                "{key:?}={value:?} was refused"
            );
        }
        let bad = [
            ("", "v"),
            (" k", "v"),
            ("k ", "v"),
            ("Aliyun-x", "v"),
            ("acs:x", "v"),
            ("QCS:x", "v"),
            ("k", "see https://example.com"),
        ];
        for (key, value) in bad.into_iter().chain([
            ("k\n", "v"),
            ("k", "a\tb"),
            ("k\u{202e}", "v"),
            ("k", "\u{feff}v"),
            (&*"k".repeat(128), "v"),
            ("k", &*"v".repeat(129)),
        ]) {
            assert!(
                check_tag("Tags", key, value).is_err(),
                "{key:?}={value:?} was taken"
            );
        }
    }

    #[test]
    fn services_keep_to_their_rules() {
        // cesanta/docker_auth#14, #92: a registry whose service has a space in it.
        for good in [
            "registry.example.com",
            "localhost:5000",
            "harbor-registry",
            "registry.example.com:cn-hangzhou:1",
            "Docker registry",
            "[::1]:5000",
            "a/b",
            "a,b=c%20d+e",
            &"a".repeat(255),
        ] {
            assert!(check_service(good).is_ok(), "{good:?} was refused");
        }
        for bad in [
            "",
            " a",
            "a ",
            "a\"b",
            "a\\b",
            "a\nb",
            "é",
            "https://registry.example.com",
            "https://",
            &"a".repeat(256),
        ] {
            assert!(check_service(bad).is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn a_service_with_a_path_is_doubtful() {
        assert!(doubt_of_service("registry.example.com/v2").is_some());
        assert!(doubt_of_service("registry.example.com").is_none());
    }

    #[test]
    fn an_issuer_is_any_text_that_shows() {
        let good = [
            "https://credentials.example.com",
            "https://example.com/a?b=c",
            "transire",
            &"a".repeat(255),
        ];
        assert_rule(
            check_issuer,
            &good,
            &["", "a b", " a", "a\n", "é", &"a".repeat(256)],
        );
    }

    #[test]
    fn the_host_of_an_ecr_registry_is_one_of_an_images_name() {
        let long = format!("{}.example.com", "a".repeat(63));
        let good = [
            "100000000001.dkr.ecr.us-east-1.amazonaws.com",
            "100000000001.dkr.ecr.us-east-1.localhost:5000",
            "localhost",
            "registry.example.com:65535",
            long.as_str(),
        ];
        let too_long = vec!["a".repeat(63); 4].join(".");
        let bad = [
            "",
            "https://registry.example.com",
            "registry.example.com/team",
            "Registry.example.com",
            ".example.com",
            "example.com.",
            "-a.example.com",
            "a-.example.com",
            "a_b.example.com",
            "é.example.com",
            "a.com:",
            "a.com:x",
            "a.com:0",
            "a.com:080",
            "a.com:+80",
            "a.com:65536",
            "a.com:1:2",
            "[::1]:5000",
            &"a".repeat(64),
            &too_long,
        ];
        assert_rule(check_ecr_host, &good, &bad);
    }

    #[test]
    fn a_base_domain_is_a_host() {
        for good in [
            "tencentcloudcr.com",
            "localhost",
            "registry.example.com:5000",
        ] {
            assert!(check_base_domain(good).is_ok(), "{good:?} was refused");
        }
        for bad in [
            "",
            ".example.com",
            "example.com.",
            "https://example.com",
            "Example.com",
            "a.com:x",
            "a.com:70000",
            &"a.".repeat(120),
        ] {
            assert!(check_base_domain(bad).is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn regions_keep_to_their_rules() {
        for good in [
            "ap-guangzhou",
            "cn-hangzhou",
            "us-east-1",
            "ap-shanghai-fsi",
        ] {
            assert!(check_region("Region", good).is_ok(), "{good:?} was refused");
        }
        for bad in [
            "",
            "x",
            "ap_guangzhou",
            "AP-GUANGZHOU",
            "ap-",
            "-ap",
            "ap guangzhou",
        ] {
            assert!(check_region("Region", bad).is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn a_description_counts_characters_not_bytes() {
        assert!(check_description("Desc", &"中".repeat(255)).is_ok());
        assert!(check_description("Desc", &"a".repeat(256)).is_err());
        for bad in [
            "a\nb",
            "\u{1b}[2J",
            "\u{9b}2J",
            "a\u{202e}b",
            "a\u{2028}b",
            "\u{feff}a",
        ] {
            assert!(check_description("Desc", bad).is_err(), "{bad:?} was taken");
        }
    }
}
