#![no_main]
transire_fuzz::target!("web_identity");
