//! The form of a signed JSON Web Token (RFC 7515, 7.1), before anything in it is read.

/// The shortest token of an issuer: a header with an algorithm, claims with an issuer, a subject
/// and times, and a signature of 64 bytes. No password that a person chooses is as long.
const MIN_LENGTH: usize = 100;

/// Tells whether a text has the form of a signed token: three parts of base64url, of which the
/// first begins as a JSON object does.
pub fn has_form(text: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    text.len() >= MIN_LENGTH
        && text.starts_with("ey")
        && text.split('.').count() == 3
        && text.split('.').all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

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
