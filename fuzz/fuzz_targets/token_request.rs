#![no_main]
transire_fuzz::target!("token_request");
