//! The form of a signed JSON Web Token (RFC 7515, 7.1), before anything in it is read.

use super::credential::SecretKind;

/// The shortest token of an issuer: a header with an algorithm, claims with an issuer, a subject
/// and times, and a signature of 64 bytes. No password that a person chooses is as long.
const MIN_LENGTH: usize = 100;

/// Tells whether a text has the form of a signed token: three parts of base64url, of which the
/// first begins as a JSON object does.
pub fn has_form(text: &str) -> bool {
    if text.len() < MIN_LENGTH || !text.starts_with("ey") {
        return false;
    }
    let (mut dots, mut is_empty) = (0, true);
    for byte in text.bytes() {
        match byte {
            b'.' if is_empty => return false,
            b'.' => (dots, is_empty) = (dots + 1, true),
            b'-' | b'_' => is_empty = false,
            byte if byte.is_ascii_alphanumeric() => is_empty = false,
            _ => return false,
        }
    }
    dots == 2 && !is_empty
}

/// Returns the secret of this service that a text in the form of a token carries in the place of
/// its signature; nothing else of such a text is read.
///
/// A secret's characters are those of base64url. One `-` may come before it, where its length is
/// none that base64url has.
pub fn carried_secret(text: &str) -> Option<&str> {
    let signature = text.rsplit('.').next().filter(|_| has_form(text))?;
    let secret = signature.strip_prefix('-').unwrap_or(signature);
    SecretKind::Temporary.read(secret).map(|_| secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_carries_a_secret_where_its_signature_would_be() {
        let secret = SecretKind::Temporary.write(&"s".repeat(60));
        let secret = secret.expose();
        let head = "eyJhbGciOiJub25lIn0.eyJleHAiOjF9";
        for carrying in [format!("{head}.{secret}"), format!("{head}.-{secret}")] {
            assert_eq!(carried_secret(&carrying), Some(secret), "{carrying}");
        }
        for other in [
            secret.to_owned(),
            format!("{head}.{}", "s".repeat(86)),
            format!("{head}.--{secret}"),
            format!("{head}.{secret}x"),
            format!("{head}.{}", secret.replace("trst_", "trss_")),
            format!("{secret}.{head}"),
            format!("x{head}.{secret}"),
        ] {
            assert_eq!(carried_secret(&other), None, "{other}");
        }
    }

    #[test]
    fn a_signed_token_has_three_parts_of_base64url() {
        let signature = "s".repeat(86);
        let token = format!("eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJ4In0.{signature}");
        assert!(has_form(&token));
        for other in [
            token.replace('.', ""),
            format!("{token}.x"),
            token.replace("eyJhbGci", "trsl_abc"),
            format!("{token}="),
            token.replace(".eyJpc3MiOiJ4In0.", ".."),
            "eyJhbGci.eyJpc3Mi.c2ln".to_owned(),
        ] {
            assert!(!has_form(&other), "{other}");
        }
    }
}
