#![no_main]
transire_fuzz::target!("jwk_set");
