//! Names that people choose, and the rules for them.

use super::{Error, Result};

/// The most characters of an account's or an instance's name.
const NAME_LENGTH: usize = 50;
/// The most characters of a service's name.
const SERVICE_LENGTH: usize = 255;
/// The most characters of a credential's description.
pub const DESCRIPTION_LENGTH: usize = 255;

/// Checks the name of an account or an instance: 1 to 50 of `a-z`, `0-9`, `-`, not `-` first or last.
pub fn check_name(parameter: &'static str, name: &str) -> Result<()> {
    let letters = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if letters && (1..=NAME_LENGTH).contains(&name.len()) && !name.starts_with('-') && !name.ends_with('-') {
        Ok(())
    } else {
        Err(Error::invalid_parameter(
            parameter,
            format!("a name has 1 to {NAME_LENGTH} lower-case letters, digits or '-', and '-' neither first nor last"),
        ))
    }
}

/// Checks a service name, which registries compare as the token's audience: a host, perhaps with a port.
pub fn check_service(service: &str) -> Result<()> {
    let letters = service.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:/".contains(&byte));
    if letters && (1..=SERVICE_LENGTH).contains(&service.len()) {
        Ok(())
    } else {
        Err(Error::invalid_parameter(
            "service",
            format!(
                "a service is written like a host name, such as registry.example.com, in at most {SERVICE_LENGTH} letters, digits or '.', '-', '_', ':', '/'"
            ),
        ))
    }
}

/// Checks a region, such as `ap-guangzhou` or `cn-hangzhou`.
pub fn check_region(parameter: &'static str, region: &str) -> Result<()> {
    let words: Vec<&str> = region.split('-').collect();
    let well_formed =
        words.iter().all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()));
    if well_formed && words.len() >= 2 && region.len() <= NAME_LENGTH {
        Ok(())
    } else {
        Err(Error::invalid_parameter(parameter, "a region is written like ap-guangzhou"))
    }
}

/// Checks a credential's description: at most 255 characters, none of them a control character.
pub fn check_description(parameter: &'static str, description: &str) -> Result<()> {
    if description.chars().count() <= DESCRIPTION_LENGTH && !description.chars().any(char::is_control) {
        Ok(())
    } else {
        Err(Error::invalid_parameter(
            parameter,
            format!("a description has at most {DESCRIPTION_LENGTH} characters and no control characters"),
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

    #[test]
    fn services_keep_to_their_rules() {
        for good in ["registry.example.com", "localhost:5000", "harbor-registry", "registry.example.com:cn-hangzhou:1"] {
            assert!(check_service(good).is_ok(), "{good:?} was refused");
        }
        for bad in ["", "a b", "a\"b", "a\nb"] {
            assert!(check_service(bad).is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn regions_keep_to_their_rules() {
        for good in ["ap-guangzhou", "cn-hangzhou", "us-east-1", "ap-shanghai-fsi"] {
            assert!(check_region("Region", good).is_ok(), "{good:?} was refused");
        }
        for bad in ["", "x", "ap_guangzhou", "AP-GUANGZHOU", "ap-", "-ap", "ap guangzhou"] {
            assert!(check_region("Region", bad).is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn a_description_counts_characters_not_bytes() {
        assert!(check_description("Desc", &"中".repeat(255)).is_ok());
        assert!(check_description("Desc", &"a".repeat(256)).is_err());
        assert!(check_description("Desc", "a\nb").is_err());
    }
}
