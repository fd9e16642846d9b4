use super::*;
use crate::sign::Replay;
use crate::sign::testing::{alibaba_published, alibaba_vectors, assert_holds_as_it_is_alone, secret};

const SECRET: &str = "TestAccessKeySecret0123456789ab";

#[test]
fn every_vector_verifies_in_three_stages() {
    let vectors = alibaba_vectors("RPC-V1");
    assert_eq!(vectors.len(), 10);
    for vector in vectors {
        let read = read(&vector.captured.request()).unwrap_or_else(|error| panic!("{}: {error}", vector.name));
        assert_eq!(read.parameters.canonical_query(), vector.text("/intermediates/canonicalized_query_string"), "{}", vector.name);
        let strings = read.unverified.strings_to_sign();
        assert_eq!(strings, [vector.text("/intermediates/string_to_sign").as_bytes()], "{}", vector.name);
        let replay = read.unverified.verify(&secret(vector.text("/credentials/access_key_secret"))).unwrap();
        assert_eq!(replay, Replay::Nonce(vector.text("nonce").to_owned()), "{}", vector.name);
        assert_eq!(read.unverified.access_key_id(), vector.text("/credentials/access_key_id"));
        assert_eq!(read.unverified.session_token(), vector.json["credentials"]["security_token"].as_str());
        assert_eq!(read.unverified.signed_at().rfc3339(), vector.text("timestamp"));
        assert_eq!(read.parameters.get("Signature"), None);
    }
}
