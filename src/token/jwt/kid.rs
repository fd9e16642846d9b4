//! Key ids: the two forms in which registries name the key of a token.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// RFC 7638: SHA-256 of the required members, ordered by name and without white space, base64url.
pub(super) fn thumbprint(members: &[(&'static str, String)]) -> String {
    let members: Vec<_> = members
        .iter()
        .map(|(name, value)| format!(r#""{name}":"{value}""#))
        .collect();
    let json = format!("{{{}}}", members.join(","));
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, json.as_bytes()))
}

/// Docker's libtrust: the first 30 bytes of SHA-256 of the SubjectPublicKeyInfo in base32, as
/// twelve groups of four divided by colons.
pub(super) fn libtrust_fingerprint(public_der: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let hash = digest::digest(&digest::SHA256, public_der);
    let mut text = String::with_capacity(59);
    // Five bytes are eight characters: two groups.
    for chunk in hash.as_ref()[..30].chunks_exact(5) {
        let bits = chunk
            .iter()
            .fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
        for place in (0..8).rev() {
            if text.len() % 5 == 4 {
                text.push(':');
            }
            text.push(char::from(ALPHABET[(bits >> (5 * place)) as usize & 31]));
        }
    }
    text
}
